//! Resource names as people type them: with or without the collection.

use imagioo_types::{ApiKeyId, EventId, GenerationId, ImageId, WebhookEndpointId};

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

/// The name of a webhook endpoint: `webhookEndpoints/whe_…` or `whe_…`.
///
/// # Errors
/// [`Failure::Usage`].
pub(crate) fn webhook_endpoint(text: &str) -> Result<WebhookEndpointId, Failure> {
    let id = WebhookEndpointId::from_name(text).or_else(|_| text.parse());
    let hint = "names look like `whe_…`; `imagioo webhooks list` shows yours";
    id.map_err(|_| unreadable(text, "a webhook endpoint", hint))
}

/// The name of a delivery as the API writes it, from that or from `whe_…/deliveries/evt_…`.
///
/// # Errors
/// [`Failure::Usage`].
pub(crate) fn webhook_delivery(text: &str) -> Result<String, Failure> {
    let read = || {
        let (endpoint, event) = text.split_once("/deliveries/")?;
        let event: EventId = event.parse().ok()?;
        Some(format!("{}/deliveries/{event}", webhook_endpoint(endpoint).ok()?.name()))
    };
    let hint = "names look like `whe_…/deliveries/evt_…`; `imagioo webhooks deliveries whe_…` shows them";
    read().ok_or_else(|| unreadable(text, "a webhook delivery", hint))
}

/// Something that has to do with deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deliverable {
    /// All deliveries to one endpoint.
    Endpoint(WebhookEndpointId),
    /// One delivery.
    Delivery(String),
}

/// The name of an endpoint or a delivery.
///
/// # Errors
/// [`Failure::Usage`].
pub(crate) fn deliverable(text: &str) -> Result<Deliverable, Failure> {
    if text.contains("/deliveries/") {
        return webhook_delivery(text).map(Deliverable::Delivery);
    }
    webhook_endpoint(text).map(Deliverable::Endpoint)
}

/// The name of a model: `models/…`, or only what follows.
pub(crate) fn model(text: &str) -> String {
    if text.starts_with("models/") { text.to_owned() } else { format!("models/{text}") }
}

/// The name of a preset: `presets/…`, `sharedPresets/…`, or only what follows for one of the caller's.
pub(crate) fn preset(text: &str) -> String {
    if text.contains('/') { text.to_owned() } else { format!("presets/{text}") }
}

/// The name of a shared preset: `sharedPresets/…`, or only what follows.
///
/// # Errors
/// [`Failure::Usage`] for somebody's own.
pub(crate) fn shared_preset(text: &str) -> Result<String, Failure> {
    match text.split_once('/') {
        None => Ok(format!("sharedPresets/{text}")),
        Some(("sharedPresets", _)) => Ok(text.to_owned()),
        Some(_) => Err(unreadable(text, "a shared preset", "`imagioo admin presets list` shows them")),
    }
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
    fn a_delivery_is_named_through_its_endpoint() {
        let (endpoint, event) = (WebhookEndpointId::generate(), EventId::generate());
        let name = format!("{}/deliveries/{event}", endpoint.name());
        assert_eq!(webhook_delivery(&name).expect("a name"), name);
        assert_eq!(webhook_delivery(&format!("{endpoint}/deliveries/{event}")).expect("a name"), name);
        assert_eq!(deliverable(&format!("{endpoint}")).expect("a name"), Deliverable::Endpoint(endpoint));
        assert!(webhook_delivery(&format!("{event}")).is_err());
    }

    #[test]
    fn a_shared_preset_is_never_somebodys_own() {
        assert_eq!(shared_preset("oils@2").expect("a name"), "sharedPresets/oils@2");
        assert_eq!(shared_preset("sharedPresets/oils").expect("a name"), "sharedPresets/oils");
        assert!(shared_preset("presets/oils").is_err());
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
