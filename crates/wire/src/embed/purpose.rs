//! What vectors are for, in the words of those who ask.

/// What vectors are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A question to search with.
    Query,
    /// A document to be found.
    Document,
    /// Comparing.
    Similarity,
    /// Sorting into classes.
    Classification,
    /// Finding groups.
    Clustering,
    /// A question to search code with.
    CodeQuery,
    /// Code to be found.
    CodeDocument,
    /// A question to be answered.
    QuestionAnswering,
    /// A statement to be checked.
    FactVerification,
    /// An image to be found (Cohere's word).
    Image,
    /// Something else, in the client's word.
    Other(String),
}

/// Whose words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vocabulary {
    Gemini,
    Cohere,
    Voyage,
    Jina,
    Nova,
    OpenAi,
}

/// The purposes and their words: Gemini's, Cohere's, Voyage's, Jina's. What has no word of its own stands under the nearest one's,
/// marked by `~`; what has nothing near is empty.
const WORDS: [(Purpose, [&str; 4]); 10] = [
    (Purpose::Query, ["RETRIEVAL_QUERY", "search_query", "query", "retrieval.query"]),
    (Purpose::Document, ["RETRIEVAL_DOCUMENT", "search_document", "document", "retrieval.passage"]),
    (Purpose::Similarity, ["SEMANTIC_SIMILARITY", "~clustering", "", "text-matching"]),
    (Purpose::Classification, ["CLASSIFICATION", "classification", "", "classification"]),
    (Purpose::Clustering, ["CLUSTERING", "clustering", "", "separation"]),
    (Purpose::CodeQuery, ["CODE_RETRIEVAL_QUERY", "~search_query", "~query", "code.query"]),
    (Purpose::CodeDocument, ["~RETRIEVAL_DOCUMENT", "~search_document", "~document", "code.passage"]),
    (Purpose::QuestionAnswering, ["QUESTION_ANSWERING", "~search_query", "~query", "~retrieval.query"]),
    (Purpose::FactVerification, ["FACT_VERIFICATION", "~search_query", "~query", "~retrieval.query"]),
    (Purpose::Image, ["~RETRIEVAL_DOCUMENT", "image", "~document", "~retrieval.passage"]),
];

impl Purpose {
    /// The purpose of that word, in whosever vocabulary it is.
    pub fn parse(word: &str) -> Purpose {
        if word.eq_ignore_ascii_case("passage") {
            return Purpose::Document;
        }
        let known = WORDS.iter().find(|(_, words)| words.iter().any(|known| !known.is_empty() && known.eq_ignore_ascii_case(word)));
        known.map_or_else(|| Purpose::Other(word.to_owned()), |(purpose, _)| purpose.clone())
    }

    /// The word for it, and whether it says exactly that.
    pub(super) fn word(&self, vocabulary: Vocabulary) -> Option<(String, bool)> {
        let column = match vocabulary {
            Vocabulary::Gemini => 0,
            Vocabulary::Cohere | Vocabulary::OpenAi => 1,
            Vocabulary::Voyage => 2,
            Vocabulary::Jina => 3,
            Vocabulary::Nova => return Some((self.nova().to_owned(), !matches!(self, Purpose::Other(_)))),
        };
        if let Purpose::Other(word) = self {
            // A word nobody knows may still be the provider's own.
            return Some((word.clone(), true));
        }
        let (_, words) = WORDS.iter().find(|(purpose, _)| purpose == self)?;
        let word = words[column];
        match word.strip_prefix('~') {
            Some(near) => Some((near.to_owned(), false)),
            None => (!word.is_empty()).then(|| (word.to_owned(), true)),
        }
    }

    fn nova(&self) -> &'static str {
        match self {
            Purpose::Query | Purpose::CodeQuery | Purpose::QuestionAnswering | Purpose::FactVerification => "GENERIC_RETRIEVAL",
            Purpose::Classification | Purpose::Similarity => "CLASSIFICATION",
            Purpose::Clustering => "CLUSTERING",
            Purpose::Document | Purpose::CodeDocument | Purpose::Image | Purpose::Other(_) => "GENERIC_INDEX",
        }
    }
}
