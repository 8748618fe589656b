//! Presets.

use imagioo_proto::generation::v1 as wire;
use serde::Serialize;

use super::settings::SettingsAnswer;
use super::word;
use crate::when;

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
    settings: SettingsAnswer,
    template: String,
    surcharge: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<i64>,
    etag: String,
    create_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delete_time: Option<String>,
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
            settings: preset.settings.as_ref().map(SettingsAnswer::from).unwrap_or_default(),
            template: preset.template.clone(),
            surcharge: preset.surcharge,
            price: preset.price,
            etag: preset.etag.clone(),
            create_time: when::exact(preset.create_time.as_ref()),
            delete_time: when::exact(preset.delete_time.as_ref()),
        }
    }
}
