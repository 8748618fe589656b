//! Presets.

use imagioo_proto::generation::v1 as wire;
use serde::Serialize;

use super::word;

/// A preset.
#[derive(Debug, Serialize)]
pub(crate) struct PresetAnswer {
    name: String,
    version: i32,
    visibility: String,
    title: String,
    description: String,
    model: String,
    operation: String,
    template: String,
    surcharge: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<i64>,
}

impl From<&wire::Preset> for PresetAnswer {
    fn from(preset: &wire::Preset) -> Self {
        Self {
            name: preset.name.clone(),
            version: preset.version,
            visibility: word(preset.visibility().as_str_name(), "PRESET_VISIBILITY_"),
            title: preset.title.clone(),
            description: preset.description.clone(),
            model: preset.model.clone(),
            operation: word(preset.operation().as_str_name(), "OPERATION_"),
            template: preset.template.clone(),
            surcharge: preset.surcharge,
            price: preset.price,
        }
    }
}
