//! Lists made ready for matching, and what they say of the words of a request.

use std::ops::Range;

use aho_corasick::AhoCorasick;
use imagioo_types::Wording;
use regex::{Regex, RegexBuilder};

use super::Mistakes;
use super::file::List;
use super::folding::Folded;
use crate::screening::verdict::{Block, NEGATIVE, Severity, Verdict, texts};

/// Most characters of a category.
const MAX_CATEGORY: usize = 64;

/// Every list of one version.
pub(super) struct Rules {
    pub(super) version: String,
    lists: Vec<Matcher>,
}

/// One list.
struct Matcher {
    category: String,
    severity: Severity,
    negative_prompt: bool,
    terms: Terms,
    patterns: Vec<Regex>,
    allow: Terms,
}

/// Terms that are looked for all at once.
struct Terms {
    search: AhoCorasick,
    /// By term: whether the word may go on before it, and after it.
    open: Vec<(bool, bool)>,
}

impl Rules {
    /// # Errors
    /// [`Mistakes`], all of them.
    pub(super) fn compile(lists: Vec<List>, version: String) -> Result<Self, Mistakes> {
        let (mut matchers, mut mistakes) = (Vec::with_capacity(lists.len()), Vec::new());
        for list in lists {
            let mut wrong = Vec::new();
            let matcher = Matcher::compile(&list, &mut wrong);
            mistakes.extend(wrong.into_iter().map(|mistake| format!("{}: {mistake}", list.place)));
            matchers.extend(matcher);
        }
        if mistakes.is_empty() { Ok(Self { version, lists: matchers }) } else { Err(Mistakes(mistakes)) }
    }

    pub(super) fn len(&self) -> usize {
        self.lists.len()
    }

    /// What all lists together say.
    pub(super) fn judge(&self, wording: &Wording) -> Verdict {
        let mut blocked = None::<Block>;
        for (field, text) in texts(wording) {
            let text = Folded::new(text);
            let meant = self.lists.iter().filter(|list| list.negative_prompt || field != NEGATIVE);
            for list in meant.filter(|list| list.finds(&text)) {
                let block = Block {
                    severity: list.severity,
                    categories: [list.category.clone()].into(),
                    fields: [field].into(),
                };
                blocked = Some(block.joined(blocked));
            }
        }
        blocked.map_or_else(|| Verdict::Allow { proof: self.version.clone() }, Verdict::Block)
    }
}

impl Matcher {
    fn compile(list: &List, mistakes: &mut Vec<String>) -> Option<Self> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/');
        if list.category.is_empty()
            || list.category.len() > MAX_CATEGORY
            || !list.category.chars().all(is_word)
        {
            mistakes.push(format!("category must be 1 to {MAX_CATEGORY} letters, digits, `-`, `_` or `/`"));
        }
        if list.terms.is_empty() && list.patterns.is_empty() {
            mistakes.push("names neither terms nor patterns".to_owned());
        }
        let patterns = list.patterns.iter().filter_map(|text| match pattern(text) {
            Ok(pattern) => Some(pattern),
            Err(mistake) => {
                mistakes.push(format!("pattern `{text}` {mistake}"));
                None
            }
        });
        let patterns = patterns.collect();
        let (terms, allow) = (Terms::compile(&list.terms, mistakes)?, Terms::compile(&list.allow, mistakes)?);
        Some(Self {
            category: list.category.clone(),
            severity: list.decision,
            negative_prompt: list.negative_prompt,
            terms,
            patterns,
            allow,
        })
    }

    /// Whether anything of the list is in the text outside of what the list allows.
    fn finds(&self, text: &Folded) -> bool {
        let patterns = self.patterns.iter().flat_map(|pattern| pattern.find_iter(text.as_str()));
        let mut found = self.terms.find(text).chain(patterns.map(|found| found.range())).peekable();
        if found.peek().is_none() {
            return false;
        }
        let allowed: Vec<_> = self.allow.find(text).collect();
        let within = |one: &Range<usize>, all: &Range<usize>| all.start <= one.start && one.end <= all.end;
        found.any(|one| !allowed.iter().any(|all| within(&one, all)))
    }
}

impl Terms {
    fn compile(terms: &[String], mistakes: &mut Vec<String>) -> Option<Self> {
        let (mut texts, mut open) = (Vec::with_capacity(terms.len()), Vec::with_capacity(terms.len()));
        for term in terms {
            let inner = term.strip_prefix('*').unwrap_or(term);
            let core = inner.strip_suffix('*').unwrap_or(inner);
            let folded = Folded::new(core);
            if folded.is_empty() {
                mistakes.push(format!("term `{term}` is empty"));
            } else if core.contains('*') {
                mistakes.push(format!("term `{term}` has a `*` in the middle: write a pattern"));
            } else {
                texts.push(folded);
                open.push((inner.len() < term.len(), core.len() < inner.len()));
            }
        }
        match AhoCorasick::new(texts.iter().map(Folded::as_str)) {
            Ok(search) => Some(Self { search, open }),
            Err(error) => {
                mistakes.push(format!("the terms cannot be looked for: {error}"));
                None
            }
        }
    }

    /// Where terms stand as whole words, as far as they have to.
    fn find(&self, text: &Folded) -> impl Iterator<Item = Range<usize>> {
        self.search.find_overlapping_iter(text.as_str()).filter_map(|found| {
            let (before, after) = self.open[found.pattern().as_usize()];
            let whole =
                (before || text.is_boundary(found.start())) && (after || text.is_boundary(found.end()));
            whole.then(|| found.range())
        })
    }
}

/// A pattern that is matched with folded texts.
fn pattern(text: &str) -> Result<Regex, String> {
    let pattern = RegexBuilder::new(text).case_insensitive(true).build().map_err(|error| {
        let last = error.to_string();
        last.lines().last().unwrap_or_default().trim().to_owned()
    })?;
    if pattern.is_match("") { Err("matches every text".to_owned()) } else { Ok(pattern) }
}
