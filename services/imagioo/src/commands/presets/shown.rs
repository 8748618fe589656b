//! Presets as people read them.

use imagioo_proto::generation::v1::Preset;

use crate::json::settings;
use crate::table::Table;

/// Presets in a list.
pub(in crate::commands) fn table(presets: &[Preset]) -> Table {
    let mut table = Table::new(&["NAME", "VERSION", "MODEL", "PRICE", "TITLE"]);
    for preset in presets {
        let price = preset.price.map_or_else(|| "-".to_owned(), |price| price.to_string());
        let model = if preset.model.is_empty() { "-" } else { &preset.model };
        table.row([
            preset.name.clone(),
            preset.version.to_string(),
            model.trim_start_matches("models/").to_owned(),
            price,
            preset.title.clone(),
        ]);
    }
    table
}

/// One preset, a fact a line.
pub(in crate::commands) fn describe(preset: &Preset) -> Vec<String> {
    let price =
        preset.price.map_or_else(|| "depends on the model".to_owned(), |price| format!("{price} credits"));
    let lines = [
        (preset.name.clone(), format!("version {}", preset.version)),
        ("title".to_owned(), preset.title.clone()),
        ("about".to_owned(), preset.description.clone()),
        ("model".to_owned(), preset.model.clone()),
        ("does".to_owned(), settings::operation(preset.operation()).unwrap_or_default()),
        ("settings".to_owned(), preset.settings.as_ref().map(settings::words).unwrap_or_default().join(", ")),
        ("words".to_owned(), preset.template.clone()),
        ("price".to_owned(), price),
    ];
    lines
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| format!("{name}: {text}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use imagioo_proto::generation::v1::{GenerationSettings, Operation};

    use super::*;

    #[test]
    fn what_a_preset_does_and_sets_is_shown() {
        let settings =
            GenerationSettings { size: "64x64".to_owned(), steps: Some(4), ..GenerationSettings::default() };
        let preset = Preset {
            name: "presets/p".to_owned(),
            operation: Operation::Upscale.into(),
            settings: Some(settings),
            ..Preset::default()
        };
        let lines = describe(&preset);
        assert!(lines.contains(&"does: upscale".to_owned()), "{lines:?}");
        assert!(lines.contains(&"settings: 64x64, steps 4".to_owned()), "{lines:?}");
        assert!(!describe(&Preset::default()).iter().any(|line| line.starts_with("settings")));
    }
}
