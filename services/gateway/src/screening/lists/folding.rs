//! Texts in the one form in which they are compared, whatever the language, and where words begin and end in it.

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup, Script};
use icu_properties::{CodePointMapData, CodePointSetData};

/// A text that is folded: compatibility forms made one (NFKC), case gone, invisible characters removed, and each run of
/// spaces, dashes and underscores one space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folded(String);

impl Folded {
    pub(super) fn new(text: &str) -> Self {
        let invisible = CodePointSetData::new::<DefaultIgnorableCodePoint>();
        let (nfkc, case) = (ComposingNormalizerBorrowed::new_nfkc(), CaseMapper::new());
        let visible: String = text.chars().filter(|c| !invisible.contains(*c)).collect();
        // Folding can undo the normal form, and the normal form can bring capitals back (Unicode 3.13, D146).
        let once = nfkc.normalize(&case.fold_string(&nfkc.normalize(&visible))).into_owned();
        let folded = nfkc.normalize(&case.fold_string(&once)).into_owned();
        let words = folded.split(separates).filter(|word| !word.is_empty());
        Self(words.collect::<Vec<_>>().join(" "))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether no word goes on across this place, a byte offset.
    pub(super) fn is_boundary(&self, at: usize) -> bool {
        let (before, after) = self.0.split_at(at);
        let clings = |c: Option<char>| c.is_some_and(clings);
        !(clings(before.chars().next_back()) && clings(after.chars().next()))
    }
}

fn separates(c: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    c.is_whitespace()
        || matches!(
            category,
            GeneralCategory::DashPunctuation
                | GeneralCategory::ConnectorPunctuation
                | GeneralCategory::Control
        )
}

/// Whether a character makes one word with its neighbours. Scripts that write without spaces have no such characters.
fn clings(c: char) -> bool {
    let mark = GeneralCategoryGroup::Mark.contains(CodePointMapData::<GeneralCategory>::new().get(c));
    (c.is_alphanumeric() || mark) && !has_no_spaces(CodePointMapData::<Script>::new().get(c))
}

fn has_no_spaces(script: Script) -> bool {
    [
        Script::Balinese,
        Script::Bopomofo,
        Script::Han,
        Script::Hiragana,
        Script::Javanese,
        Script::Khmer,
        Script::Lao,
        Script::Myanmar,
        Script::NewTaiLue,
        Script::TaiLe,
        Script::TaiTham,
        Script::Thai,
        Script::Yi,
    ]
    .contains(&script)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        Folded::new(text).0
    }

    #[test]
    fn spellings_of_one_word_are_one() {
        for text in [
            "Pipe Bomb",
            "ＰＩＰＥ　ＢＯＭＢ",
            "pipe-bomb",
            "pipe__bomb",
            "pi\u{200b}pe\n\t bo\u{ad}mb",
            "𝓅𝒾𝓅ℯ 𝖇𝖔𝖒𝖇",
        ] {
            assert_eq!(folded(text), "pipe bomb", "{text}");
        }
        assert_eq!(folded("STRAẞE"), folded("straße"));
        assert_eq!(folded("ΣΊΣΥΦΟΣ"), folded("σίσυφος"));
        assert_eq!(folded("cafe\u{301}"), folded("CAFÉ"));
        assert_eq!(folded("ﬁre"), "fire");
        assert_eq!(folded("ｶﾞ"), folded("ガ"));
    }

    #[test]
    fn what_is_folded_stays_as_it_is() {
        for text in ["İstanbul ϓ ﷺ Ǆ ẛ̣ ½", "한국어 조선글", "ไทย", "x²-Y_z", "  "] {
            assert_eq!(folded(&folded(text)), folded(text), "{text}");
        }
    }

    #[test]
    fn words_end_where_their_script_ends_them() {
        let ends = |text: &str, word: &str| {
            let folded = Folded::new(text);
            let at = folded.0.find(word).expect("the word") + word.len();
            folded.is_boundary(at)
        };
        assert!(ends("a bomb.", "bomb") && ends("a bomb's fuse", "bomb") && ends("bomb", "bomb"));
        assert!(!ends("a bombastic speech", "bomb") && !ends("bomb2", "bomb") && !ends("bombé", "bomb"));
        assert!(ends("制造炸弹的方法", "炸弹") && ends("爆弾を作る", "爆弾") && ends("ระเบิดเวลา", "ระเบิด"));
        assert!(!ends("폭탄을", "폭탄") && !ends("бомбардир", "бомба".trim_end_matches('а')));
    }
}
