//! Whether the providers here can keep what a catalogue promises of them.

use imagioo_picture::Operation;

use crate::registry::Registry;

/// What a deployment promises, and what its provider is told besides its model.
#[derive(Debug, Clone, Copy)]
pub struct Promise<'a> {
    /// The deployment's id.
    pub deployment: &'a str,
    /// Its provider.
    pub provider: &'a str,
    /// What its model can do.
    pub operations: &'a [Operation],
    /// Whether it names an `endpoint`.
    pub endpoint: bool,
    /// The names of its `options`.
    pub options: &'a [String],
}

impl Registry {
    /// Everything that cannot be kept or is not heeded, each in a sentence; nothing about providers that are not here.
    #[must_use]
    pub fn broken(&self, promise: Promise<'_>) -> Vec<String> {
        let Some(provider) = self.get(promise.provider) else { return Vec::new() };
        let (can, heeds) = (provider.capabilities(), provider.heeds());
        let unable = promise.operations.iter().filter(|operation| !can.operations.contains(operation));
        let unable = unable.map(|operation| format!("cannot do {}", operation.as_str()));
        let ignored = (promise.endpoint && !heeds.endpoint).then(|| "has no use for `endpoint`".to_owned());
        let strange = |name: &&String| heeds.options.is_some_and(|known| !known.contains(&name.as_str()));
        let strange = promise.options.iter().filter(strange);
        let strange = strange.map(|name| format!("has no use for the option `{name}`"));
        let missing = heeds.needs.iter().filter(|name| !promise.options.iter().any(|known| known == *name));
        let missing = missing.map(|name| format!("needs the option `{name}`"));
        let wrong = unable.chain(ignored).chain(strange).chain(missing);
        wrong.map(|what| format!("deployment {}: {} {what}", promise.deployment, promise.provider)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use imagioo_runtime::Settings;
    use imagioo_types::{Clock, SystemClock};

    use super::*;
    use crate::Config;

    fn registry() -> Registry {
        let overrides = toml::toml! {
            providers.gemini = { kind = "gemini" }
            providers.comfyui = { kind = "comfyui", base_url = "http://127.0.0.1:8188" }
            providers.bfl = { kind = "bfl" }
        };
        let settings = Settings::from_parts("worker", crate::DEFAULTS, overrides).expect("well formed");
        let config: Config = settings.read().expect("complete");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Registry::from_config(&config, &clock).expect("sensible")
    }

    fn broken(provider: &str, endpoint: bool, options: &[&str]) -> Vec<String> {
        let options: Vec<_> = options.iter().map(|&name| name.to_owned()).collect();
        let operations = [Operation::TextToImage, Operation::Upscale];
        let promise =
            Promise { deployment: "d", provider, operations: &operations, endpoint, options: &options };
        registry().broken(promise)
    }

    #[test]
    fn what_an_adapter_cannot_do_does_not_heed_or_lacks_is_told() {
        assert_eq!(
            broken("gemini", true, &["anything"]),
            ["deployment d: gemini cannot do upscale", "deployment d: gemini has no use for `endpoint`"]
        );
        assert_eq!(
            broken("comfyui", false, &["grpah"]),
            [
                "deployment d: comfyui has no use for the option `grpah`",
                "deployment d: comfyui needs the option `graph`",
            ]
        );
        assert!(broken("comfyui", false, &["graph"]).is_empty());
        assert_eq!(broken("bfl", true, &["safety_tolerance"]), ["deployment d: bfl cannot do upscale"]);
        assert!(broken("nobody", true, &["anything"]).is_empty(), "another worker may have it");
    }
}
