//! Resource names as people type them: with or without the collection.

use imagioo_types::{ApiKeyId, GenerationId, ImageId};

use crate::failure::Failure;

/// The name of a generation: `generations/gen_…` or `gen_…`.
///
/// # Errors
/// [`Failure::Usage`].
pub(crate) fn generation(text: &str) -> Result<GenerationId, Failure> {
    let id = GenerationId::from_name(text).or_else(|_| text.parse());
    id.map_err(|_| unreadable(text, "a generation", "names look like `gen_…`; `imagioo list` shows yours"))
}

/// The name of an API key: `apiKeys/key_…` or `key_…`.
///
/// # Errors
/// [`Failure::Usage`].
pub(crate) fn api_key(text: &str) -> Result<ApiKeyId, Failure> {
    let id = ApiKeyId::from_name(text).or_else(|_| text.parse());
    id.map_err(|_| unreadable(text, "an API key", "names look like `key_…`; `imagioo keys list` shows yours"))
}

/// The name of a model: `models/…`, or only what follows.
pub(crate) fn model(text: &str) -> String {
    if text.starts_with("models/") { text.to_owned() } else { format!("models/{text}") }
}

/// The name of a preset: `presets/…`, `sharedPresets/…`, or only what follows for one of the caller's.
pub(crate) fn preset(text: &str) -> String {
    if text.contains('/') { text.to_owned() } else { format!("presets/{text}") }
}

/// Something whose file can be downloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Downloadable {
    /// All images of one generation.
    Generation(GenerationId),
    /// One image.
    Image(ImageId),
}

/// The name of a generation or an image.
///
/// # Errors
/// [`Failure::Usage`].
pub(crate) fn downloadable(text: &str) -> Result<Downloadable, Failure> {
    if let Ok(id) = ImageId::from_name(text).or_else(|_| text.parse()) {
        return Ok(Downloadable::Image(id));
    }
    let hint = "names look like `gen_…` or `img_…`; `imagioo show gen_…` lists the images of a generation";
    let id = generation(text).map_err(|_| unreadable(text, "a generation or an image", hint))?;
    Ok(Downloadable::Generation(id))
}

fn unreadable(text: &str, kind: &str, hint: &'static str) -> Failure {
    let shown: String = text.chars().take(60).collect();
    Failure::usage(format!("`{shown}` is not the name of {kind}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_collection_may_be_left_out() {
        let id = GenerationId::generate();
        assert_eq!(generation(&id.name()).expect("a name"), id);
        assert_eq!(generation(&format!("{id}")).expect("a name"), id);
        assert_eq!(downloadable(&format!("{id}")).expect("a name"), Downloadable::Generation(id));
        assert_eq!(model("sketch"), model("models/sketch"));
    }

    #[test]
    fn another_kind_is_refused() {
        let image = ImageId::generate();
        assert_eq!(downloadable(&image.name()).expect("a name"), Downloadable::Image(image));
        assert!(generation(&image.name()).is_err());
        assert!(api_key(&image.name()).is_err());
        assert!(downloadable("fox.png").is_err());
    }
}
