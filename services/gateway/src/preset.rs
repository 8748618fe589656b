//! The preset as the business sees it: its name, and what one version of it says.

use std::fmt;
use std::str::FromStr;

use imagioo_picture::{Operation, Settings};
use imagioo_types::{Credits, InvalidName, UserId, Wording};
use time::OffsetDateTime;

/// The place in a template where the prompt of the request goes.
pub(crate) const PLACE: &str = "{prompt}";

/// Who may use a preset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shelf {
    /// This user alone.
    Own(UserId),
    /// Everybody.
    Shared,
}

impl Shelf {
    /// The owner, if it has one.
    pub(crate) fn owner(self) -> Option<UserId> {
        match self {
            Self::Own(owner) => Some(owner),
            Self::Shared => None,
        }
    }
}

/// The resource name of a preset or of one of its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PresetName {
    pub(crate) shared: bool,
    pub(crate) slug: String,
    /// Absent for the newest one.
    pub(crate) version: Option<i32>,
}

impl PresetName {
    const INVALID: InvalidName =
        InvalidName { expected: "presets/ID or sharedPresets/ID, perhaps with @VERSION" };

    /// Where it is looked for when this user asks.
    pub(crate) fn shelf(&self, user: UserId) -> Shelf {
        if self.shared { Shelf::Shared } else { Shelf::Own(user) }
    }
}

impl FromStr for PresetName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (shared, rest) = match (text.strip_prefix("presets/"), text.strip_prefix("sharedPresets/")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(Self::INVALID),
        };
        let (slug, version) = match rest.split_once('@') {
            Some((slug, version)) => (slug, Some(version.parse().map_err(|_| Self::INVALID)?)),
            None => (rest, None),
        };
        let name = Self { shared, slug: slug.to_owned(), version };
        let is_right = is_slug(slug) && version.is_none_or(|version| version > 0) && name.to_string() == text;
        if is_right { Ok(name) } else { Err(Self::INVALID) }
    }
}

fn is_slug(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

impl fmt::Display for PresetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", if self.shared { "sharedPresets" } else { "presets" }, self.slug)?;
        self.version.map_or(Ok(()), |version| write!(f, "@{version}"))
    }
}

/// One version of a preset.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Preset {
    pub(crate) shared: bool,
    pub(crate) slug: String,
    pub(crate) version: i32,
    pub(crate) content: Content,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) deleted_at: Option<OffsetDateTime>,
}

impl Preset {
    /// The name of this version.
    pub(crate) fn versioned_name(&self) -> String {
        self.named(Some(self.version))
    }

    /// The name of the preset, whichever version is its newest.
    pub(crate) fn name(&self) -> String {
        self.named(None)
    }

    fn named(&self, version: Option<i32>) -> String {
        PresetName { shared: self.shared, slug: self.slug.clone(), version }.to_string()
    }
}

/// What a version says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Content {
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) model: Option<String>,
    pub(crate) operation: Option<Operation>,
    pub(crate) settings: Settings,
    /// The template in the prompt's place, and the negative prompt.
    pub(crate) words: Wording,
    /// For every image, on top of the model's price.
    pub(crate) surcharge: Credits,
}

impl Content {
    /// The final text: the prompt of the request in its place among the preset's words.
    pub(crate) fn compose(&self, prompt: &str) -> String {
        match self.words.prompt_text().split_once(PLACE) {
            Some((before, after)) => format!("{before}{prompt}{after}"),
            None => prompt.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use imagioo_types::Prompt;

    use super::*;

    #[test]
    fn names_read_back_and_have_one_spelling() {
        for text in ["presets/portrait", "presets/p-2@7", "sharedPresets/portrait", "sharedPresets/x@1"] {
            assert_eq!(text.parse::<PresetName>().expect(text).to_string(), text);
        }
        let long = format!("presets/{}", "x".repeat(64));
        for text in [
            "",
            "portrait",
            "presets/",
            "presets/Portrait",
            "presets/2x",
            "presets/x@",
            "presets/x@0",
            "presets/x@01",
            "presets/x@-1",
            "presets/x@+1",
            "presets/x@1@2",
            "presets/a b",
            "models/x",
            &long,
        ] {
            assert!(text.parse::<PresetName>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_prompt_goes_to_its_place_once_and_is_not_a_template_itself() {
        let template = Prompt::parse("a {prompt}, in oils".to_owned()).expect("a text");
        let content = Content { words: Wording::of(template), ..Content::default() };
        assert_eq!(content.compose("fox"), "a fox, in oils");
        assert_eq!(content.compose("{prompt}"), "a {prompt}, in oils");
        assert_eq!(content.compose(""), "a , in oils");
        assert_eq!(Content::default().compose("fox"), "fox");
    }
}
