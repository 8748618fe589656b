//! Names of objects: who owns them, which attempt made them, and which one they are.

use std::{fmt, str::FromStr};

use imagioo_types::{GenerationId, ImageId, UserId};
use object_store::path::Path;

/// A text that is not the key of an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is no object key")]
pub struct InvalidKey {
    /// The beginning of the text.
    pub found: String,
}

/// The name of one object: `owner/generation/attempt/epoch/index` of a result, `owner/generation/attempt/manifest`, or
/// `owner/uploads/image`.
///
/// There is one spelling of each key, and only [`Display`](fmt::Display) and [`FromStr`] make texts of keys
/// and keys of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    owner: UserId,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    Attempt { generation: GenerationId, attempt: u32, content: Content },
    Upload(ImageId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Content {
    Image { epoch: u64, index: u32 },
    Manifest,
}

impl ObjectKey {
    /// What stands in the place of a generation in the key of an upload.
    const UPLOADS: &'static str = "uploads";

    /// The key of one result. The epoch keeps two holders of one lease apart.
    #[must_use]
    pub fn image(owner: UserId, generation: GenerationId, attempt: u32, epoch: u64, index: u32) -> Self {
        Self {
            owner,
            place: Place::Attempt { generation, attempt, content: Content::Image { epoch, index } },
        }
    }

    /// The key of the manifest of an attempt. It has no epoch: there is one manifest, whoever writes it.
    #[must_use]
    pub fn manifest(owner: UserId, generation: GenerationId, attempt: u32) -> Self {
        Self { owner, place: Place::Attempt { generation, attempt, content: Content::Manifest } }
    }

    /// The key of a picture that its owner brought along.
    #[must_use]
    pub fn upload(owner: UserId, image: ImageId) -> Self {
        Self { owner, place: Place::Upload(image) }
    }

    /// Who owns the object.
    #[must_use]
    pub fn owner(&self) -> UserId {
        self.owner
    }

    /// The generation and the attempt that made it; nothing for an upload.
    #[must_use]
    pub fn attempt(&self) -> Option<(GenerationId, u32)> {
        match self.place {
            Place::Attempt { generation, attempt, .. } => Some((generation, attempt)),
            Place::Upload(_) => None,
        }
    }

    /// Whether it is a manifest rather than an image.
    #[must_use]
    pub fn is_manifest(&self) -> bool {
        matches!(self.place, Place::Attempt { content: Content::Manifest, .. })
    }

    pub(crate) fn path(&self) -> Path {
        Path::from(self.to_string())
    }

    /// Reads a text that may be spelled in more than one way.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let owner = parts.next()?.parse().ok()?;
        let place = match parts.next()? {
            Self::UPLOADS => Place::Upload(parts.next()?.parse().ok()?),
            generation => Place::Attempt {
                generation: generation.parse().ok()?,
                attempt: parts.next()?.parse().ok()?,
                content: match (parts.next()?, parts.next()) {
                    ("manifest", None) => Content::Manifest,
                    (epoch, Some(index)) => {
                        Content::Image { epoch: epoch.parse().ok()?, index: index.parse().ok()? }
                    }
                    _ => return None,
                },
            },
        };
        parts.next().is_none().then_some(Self { owner, place })
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = self.owner;
        match self.place {
            Place::Attempt { generation, attempt, content: Content::Image { epoch, index } } => {
                write!(f, "{owner}/{generation}/{attempt}/{epoch}/{index}")
            }
            Place::Attempt { generation, attempt, content: Content::Manifest } => {
                write!(f, "{owner}/{generation}/{attempt}/manifest")
            }
            Place::Upload(image) => write!(f, "{owner}/{}/{image}", Self::UPLOADS),
        }
    }
}

impl FromStr for ObjectKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        Self::read(text)
            .filter(|key| key.to_string() == text)
            .ok_or_else(|| InvalidKey { found: text.chars().take(60).collect() })
    }
}

/// The common beginning of several keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPrefix {
    /// Every object.
    Everything,
    /// The objects of one person.
    Owner(UserId),
    /// The objects of one generation.
    Generation(UserId, GenerationId),
    /// The objects of one attempt.
    Attempt(UserId, GenerationId, u32),
}

impl KeyPrefix {
    pub(crate) fn path(self) -> Option<Path> {
        match self {
            Self::Everything => None,
            Self::Owner(owner) => Some(Path::from(owner.to_string())),
            Self::Generation(owner, generation) => Some(Path::from(format!("{owner}/{generation}"))),
            Self::Attempt(owner, generation, attempt) => {
                Some(Path::from(format!("{owner}/{generation}/{attempt}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> UserId {
        UserId::generate()
    }

    #[test]
    fn a_key_reads_back_as_itself() {
        let image = ObjectKey::image(owner(), GenerationId::generate(), 2, u64::MAX, 7);
        let manifest = ObjectKey::manifest(owner(), GenerationId::generate(), 1);
        let upload = ObjectKey::upload(owner(), ImageId::generate());
        for key in [image, manifest, upload] {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        assert!(manifest.is_manifest() && !image.is_manifest());
    }

    #[test]
    fn the_spelling_is_that_of_the_architecture() {
        let (owner, generation) = (owner(), GenerationId::generate());
        let image = ObjectKey::image(owner, generation, 1, 3, 0);
        assert_eq!(image.to_string(), format!("{owner}/{generation}/1/3/0"));
        let manifest = ObjectKey::manifest(owner, generation, 1);
        assert_eq!(manifest.to_string(), format!("{owner}/{generation}/1/manifest"));
        let upload = ImageId::generate();
        assert_eq!(ObjectKey::upload(owner, upload).to_string(), format!("{owner}/uploads/{upload}"));
    }

    #[test]
    fn nothing_else_is_a_key() {
        let (owner, generation) = (owner(), GenerationId::generate());
        let stem = format!("{owner}/{generation}");
        let wrong = [
            String::new(),
            "/".to_owned(),
            stem.clone(),
            format!("/{stem}/1/1/0"),
            format!("{stem}/1/1/0/"),
            format!("{stem}/1/1/0/0"),
            format!("{stem}/01/1/0"),
            format!("{stem}/+1/1/0"),
            format!("{stem}/1/1/-1"),
            format!("{stem}/4294967296/1/0"),
            format!("{stem}/1/../0"),
            format!("{stem}/1/manifest/0"),
            format!("{stem}/1/manifest#1"),
            format!("{stem}/1/Manifest"),
            format!("../{stem}/1/manifest"),
            format!("{generation}/{owner}/1/manifest"),
            format!("{owner}/uploads"),
            format!("{owner}/uploads/{generation}"),
            format!("{owner}/uploads/{}/0", ImageId::generate()),
            format!("{stem}/1/1/0\0"),
        ];
        for text in wrong {
            assert!(text.parse::<ObjectKey>().is_err(), "{text:?}");
        }
    }
}
