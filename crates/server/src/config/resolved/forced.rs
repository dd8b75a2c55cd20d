//! Models that answer whatever was asked for.

use switchboard_engine::wire::Operation;

use crate::config::fields::Fields;

/// Models that answer whatever was asked for, by what is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForcedModels {
    completion: Option<String>,
    embedding: Option<String>,
    image: Option<String>,
}

impl ForcedModels {
    pub(super) fn read(fields: &Fields) -> Self {
        let named = |name: &str| fields.text(name).filter(|model| !model.is_empty());
        Self { completion: named("completion_model"), embedding: named("embedding_model"), image: named("image_generation_model") }
    }

    /// The model that answers requests of that kind.
    pub fn of(&self, operation: Operation) -> Option<&str> {
        let model = match operation {
            Operation::Chat => &self.completion,
            Operation::Embeddings => &self.embedding,
            Operation::ImageGenerations | Operation::ImageEdits => &self.image,
            _ => &None,
        };
        model.as_deref()
    }
}
