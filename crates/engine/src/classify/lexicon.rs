//! The words that say what is wanted, and the one pass that finds them.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind, Input, MatchKind};

use super::anatomy::Anatomy;

const TABLE: &str = include_str!("markers.txt");

/// What a marker speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Group {
    Greeting,
    Lookup,
    Transform,
    Trivial,
    How,
    Explain,
    Edit,
    Compose,
    Artefact,
    Code,
    Build,
    Scope,
    Depth,
    Technical,
    Domain,
    Prove,
    Show,
    Stepwise,
    Maths,
    Riddle,
    Puzzle,
    Constraint,
    /// Something that is large whatever is said of it.
    Heavy,
    /// How many, how old, how far.
    Quantity,
    /// Something of a few lines, whatever it is about.
    Small,
    /// What was read is to be told in fewer words.
    Digest,
    /// It is about what the caller runs.
    Own,
    /// How something is done, rather than how it works.
    Howto,
    /// A number in words.
    Number,
}

/// How many groups there are.
const GROUPS: usize = 29;

impl Group {
    const ALL: [(&'static str, Self); GROUPS] = [
        ("greeting", Self::Greeting),
        ("lookup", Self::Lookup),
        ("transform", Self::Transform),
        ("trivial", Self::Trivial),
        ("how", Self::How),
        ("explain", Self::Explain),
        ("edit", Self::Edit),
        ("compose", Self::Compose),
        ("artefact", Self::Artefact),
        ("code", Self::Code),
        ("build", Self::Build),
        ("scope", Self::Scope),
        ("depth", Self::Depth),
        ("technical", Self::Technical),
        ("domain", Self::Domain),
        ("prove", Self::Prove),
        ("show", Self::Show),
        ("stepwise", Self::Stepwise),
        ("maths", Self::Maths),
        ("riddle", Self::Riddle),
        ("puzzle", Self::Puzzle),
        ("constraint", Self::Constraint),
        ("heavy", Self::Heavy),
        ("quantity", Self::Quantity),
        ("small", Self::Small),
        ("digest", Self::Digest),
        ("own", Self::Own),
        ("howto", Self::Howto),
        ("number", Self::Number),
    ];

    /// Whether its markers may speak for another group too: those that say what sort of thing is asked for.
    fn goes_along(self) -> bool {
        matches!(self, Self::Heavy | Self::Riddle | Self::Quantity | Self::Small | Self::Digest | Self::Own | Self::Howto)
    }

    /// Whether its markers name what is to be done, rather than what with.
    fn is_intent(self) -> bool {
        matches!(
            self,
            Self::Lookup
                | Self::Transform
                | Self::How
                | Self::Explain
                | Self::Edit
                | Self::Compose
                | Self::Build
                | Self::Prove
                | Self::Show
        )
    }
}

/// A phrase of the table.
#[derive(Clone, Copy, Debug)]
struct Marker {
    group: Group,
    /// What else it speaks for.
    also: Option<Group>,
    /// Whether a word of a script with spaces must begin, and end, where the phrase does.
    begins: bool,
    ends: bool,
}

impl Marker {
    /// Whether the words of the text begin and end where the phrase does.
    fn stands(self, text: &str, met: Range<usize>) -> bool {
        let runs_on = |letter: Option<char>| letter.is_some_and(has_words);
        !(self.begins && runs_on(text[..met.start].chars().next_back()) || self.ends && runs_on(text[met.end..].chars().next()))
    }
}

struct Lexicon {
    automaton: Option<AhoCorasick>,
    markers: Vec<Marker>,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::read(TABLE));

pub(super) fn prepare() {
    LazyLock::force(&LEXICON);
}

impl Lexicon {
    fn read(table: &str) -> Self {
        let mut phrases: Vec<String> = Vec::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        let mut markers: Vec<Marker> = Vec::new();
        let mut group = None;
        for line in table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                group = Group::ALL.iter().find(|(known, _)| *known == name).map(|(_, group)| *group);
                continue;
            }
            let (Some(group), Some((_, list))) = (group, line.split_once(": ")) else { continue };
            for written in list.split('|').map(str::trim) {
                let phrase = written.strip_suffix('*').unwrap_or(written);
                let spaced = |found: Option<char>| found.is_some_and(has_words);
                let begins = spaced(phrase.chars().next());
                let ends = phrase.len() == written.len() && spaced(phrase.chars().next_back());
                for spelling in spellings(phrase) {
                    match known.get(&spelling).and_then(|at| markers.get_mut(*at)) {
                        Some(marker) => {
                            // Some say two things; of the others the first holds.
                            marker.also = marker.also.or(Some(group).filter(|group| group.goes_along()));
                        }
                        None => {
                            known.insert(spelling.clone(), phrases.len());
                            phrases.push(spelling);
                            markers.push(Marker { group, also: None, begins, ends });
                        }
                    }
                }
            }
        }
        // A contiguous automaton of these phrases has a few hundred kilobytes; a full table would have tens of millions.
        let automaton = AhoCorasickBuilder::new()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .match_kind(MatchKind::LeftmostLongest)
            .ascii_case_insensitive(true)
            .build(&phrases)
            .ok();
        Self { automaton, markers }
    }
}

/// Whether words of this letter's script are set apart by spaces and carry no particles that would hide them.
fn has_words(letter: char) -> bool {
    letter.is_alphanumeric() && (letter as u32) < 0x0590
}

/// The ways a phrase may be met: as written, with a capital that ASCII folding does not see, and without accents.
fn spellings(phrase: &str) -> Vec<String> {
    let mut all = vec![phrase.to_owned()];
    let mut letters = phrase.chars();
    if let Some(first) = letters.next().filter(|first| !first.is_ascii()) {
        let capital: String = first.to_uppercase().collect();
        if !capital.starts_with(first) {
            all.push(capital + letters.as_str());
        }
    }
    let plain: String = phrase.chars().map(without_accent).collect();
    if plain != phrase {
        all.push(plain);
    }
    let traditional: String = phrase.chars().map(traditional).collect();
    if traditional != phrase {
        all.push(traditional);
    }
    all
}

/// The signs of the table that are written otherwise in Taiwan and Hong Kong, each with that form.
const TRADITIONAL: &str = "万萬业業两兩个個为為么麼义義书書争爭务務区區协協单單发發变變号號吗嗎听聽启啟员員响響图圖团團场場块塊坏壞声聲处處备備复復\
    头頭夹夾妈媽学學宁寧宝寶实實审審宽寬对對导導将將层層属屬岁歲帐帳师師带帶帮幫广廣庄莊库庫应應开開异異归歸当當录錄径徑态態总總恶惡情情户戶扩擴扫掃\
    报報择擇拟擬换換据據掷擲撑撐数數断斷无無时時显顯暂暫术術机機杀殺杂雜权權条條极極构構标標样樣档檔桥橋检檢楼樓欧歐汇匯汉漢没沒泄洩测測济濟润潤涨漲渐漸\
    灭滅灯燈灵靈灾災炼煉点點烦煩热熱爱愛状狀独獨环環现現电電画畫畅暢疗療监監盘盤码碼础礎确確离離种種积積称稱税稅稳穩竞競笔筆签簽简簡类類紧緊红紅约約级級\
    纠糾纪紀纯純纲綱纳納线線练練组組细細织織终終绍紹经經结結给給络絡绝絕统統继繼续續维維综綜编編缓緩缘緣缩縮网網罗羅职職联聯胀脹脑腦脚腳艺藝节節荐薦虑慮补補\
    见見观觀规規视視觉覺计計订訂认認讨討让讓训訓议議记記讲講许許论論设設访訪证證评評识識诈詐诉訴词詞译譯试試诗詩话話询詢该該详詳语語误誤说說请請读讀谁誰调調\
    谅諒谈談谋謀谎謊谜謎谢謝谱譜贝貝负負贡貢财財责責败敗账賬货貨质質购購贴貼费費贷貸资資赋賦赛賽赞贊赢贏跃躍踪蹤车車转轉轮輪软軟轻輕载載较較辑輯输輸边邊达達\
    过過运運还還这這进進远遠违違连連迁遷选選递遞逻邏遗遺邮郵释釋里裡鉴鑑针針钟鐘钱錢链鏈销銷锁鎖错錯键鍵长長门門闭閉问問间間闻聞阅閱队隊阳陽阶階际際陆陸险險\
    随隨隐隱难難雾霧静靜页頁顶頂项項须須顾顧预預领領频頻题題额額风風饭飯饮飲馆館驱驅验驗骤驟鱼魚鸡雞鸽鴿龄齡龙龍";

/// A sign of simplified Chinese in its traditional form.
fn traditional(letter: char) -> char {
    static FORMS: LazyLock<HashMap<char, char>> = LazyLock::new(|| {
        let letters: Vec<char> = TRADITIONAL.chars().filter(|letter| !letter.is_whitespace()).collect();
        letters.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
    });
    FORMS.get(&letter).copied().unwrap_or(letter)
}

fn without_accent(letter: char) -> char {
    match letter {
        'á' | 'à' | 'â' | 'ã' | 'å' => 'a',
        'é' | 'è' | 'ê' | 'ë' | 'ę' => 'e',
        'í' | 'ì' | 'î' | 'ï' => 'i',
        'ó' | 'ò' | 'ô' | 'õ' => 'o',
        'ú' | 'ù' | 'û' => 'u',
        'ç' | 'ć' => 'c',
        'ñ' | 'ń' => 'n',
        'ą' => 'a',
        'ł' => 'l',
        'ś' => 's',
        'ż' | 'ź' => 'z',
        'ё' => 'е',
        other => other,
    }
}

/// Where what is asked begins behind a sentence that only says who is to answer: "You are a mathematician. Say hello."
fn behind_persona(piece: &str) -> usize {
    const OPENERS: [&str; 17] = [
        "you are a",
        "you are the ",
        "you are my ",
        "you're a",
        "you're the ",
        "imagine you are",
        "assume the role",
        "du bist ein",
        "sie sind ein",
        "tu es un",
        "vous êtes un",
        "eres un",
        "você é um",
        "sei un",
        "ты ",
        "你是",
        "あなたは",
    ];
    let start = piece.len() - piece.trim_start().len();
    let head: String = piece[start..].chars().take(24).collect::<String>().to_lowercase();
    if !OPENERS.iter().any(|opener| head.starts_with(opener)) {
        return 0;
    }
    let end = piece[start..].char_indices().find(|(_, letter)| matches!(letter, '.' | '!' | '\n' | '。' | '！'));
    let Some((at, letter)) = end else { return 0 };
    let behind = start + at + letter.len_utf8();
    if piece[behind..].trim().is_empty() { 0 } else { behind }
}

/// Whether what follows is just what is not wanted: "do not prove anything".
fn is_denied(before: &str) -> bool {
    const DENIALS: [&str; 18] = [
        "not", "don't", "dont", "no", "never", "without", "ohne", "nicht", "keine", "keinen", "sans", "pas", "sin", "sem", "senza", "не",
        "без", "nie",
    ];
    let word = before.trim_end().rsplit(|letter: char| letter.is_whitespace() || letter == ',').next().unwrap_or_default();
    DENIALS.iter().any(|denial| word.eq_ignore_ascii_case(denial))
}

/// What the ask says, by group.
#[derive(Clone, Debug, Default)]
pub(super) struct Sightings {
    /// How many different markers of each group were met.
    counts: [u16; GROUPS],
    /// The first thing that is asked for.
    pub(super) lead: Option<Group>,
}

impl Sightings {
    /// Looks through the ask, in order.
    pub(super) fn of(anatomy: &Anatomy<'_>) -> Self {
        let mut found = Self::default();
        let lexicon = &*LEXICON;
        let Some(automaton) = &lexicon.automaton else { return found };
        let mut seen: Vec<u32> = Vec::with_capacity(32);
        for piece in &anatomy.ask {
            let mut material = false;
            let (mut at, mut from) = (0, behind_persona(piece));
            while let Some(met) = automaton.find(Input::new(*piece).range(from..)) {
                let Some(marker) = lexicon.markers.get(met.pattern().as_usize()) else { break };
                if !marker.stands(piece, met.range()) {
                    // A shorter phrase may begin within the one that did not fit.
                    from = met.start() + piece[met.start()..].chars().next().map_or(1, char::len_utf8);
                    continue;
                }
                // What follows the colon of "translate this: …" is what is to be translated.
                material |= matches!(found.lead, Some(Group::Transform | Group::Edit)) && piece[at..met.start()].contains([':', '：']);
                if material {
                    break;
                }
                at = met.end();
                from = at;
                if matches!(marker.group, Group::Prove | Group::Stepwise) && is_denied(&piece[..met.start()]) {
                    continue;
                }
                found.note(*marker, met.pattern().as_u32(), &mut seen);
            }
        }
        found
    }

    fn note(&mut self, marker: Marker, pattern: u32, seen: &mut Vec<u32>) {
        if seen.contains(&pattern) {
            return;
        }
        seen.push(pattern);
        let group = marker.group;
        for group in [Some(group), marker.also].into_iter().flatten() {
            self.counts[group as usize] = self.counts[group as usize].saturating_add(1);
        }
        if group.is_intent() && self.lead.is_none() {
            self.lead = Some(group);
        }
    }

    /// How many different markers of that group were met.
    pub(super) fn count(&self, group: Group) -> u16 {
        self.counts[group as usize]
    }

    /// Whether any was.
    pub(super) fn has(&self, group: Group) -> bool {
        self.count(group) > 0
    }
}
