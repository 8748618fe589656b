//! Filling an operator's graph. A place to fill is a whole text `{{name}}` or `{{name|default}}`; what goes there is a value
//! and never structure, so nothing a user writes changes what the graph does.
//!
//! Names: `prompt`, `negative_prompt`, `seed`, `width`, `height`, `steps`, `guidance`, `strength`, `upscale_factor`,
//! `model`, `image`, `image_2` and so on, `mask`, `left`, `top`, `right`, `bottom`.

use std::collections::HashSet;

use serde_json::Value;

use crate::provider::{Call, CallError};
use crate::reason::Reason;

/// The option that holds the graph.
pub(super) const GRAPH: &str = "graph";

/// Pictures by their names on the server.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    pub(super) references: Vec<String>,
    pub(super) mask: Option<String>,
}

#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("the deployment has no option `graph`")]
    NoGraph,
    #[error("the graph has a place `{0}` for which the call has no value, and no default")]
    NoValue(String),
}

/// The graph of a call.
///
/// # Errors
/// [`Reason::SettingUnsupported`] when there is no graph, a place that nothing fills, or a wish that has no place.
pub(super) fn fill(call: &Call, pictures: &Pictures) -> Result<Value, CallError> {
    let unfit = |error: Unfit| CallError::failed(Reason::SettingUnsupported).because(error);
    let graph = call.options.get(GRAPH).ok_or_else(|| unfit(Unfit::NoGraph))?;
    let mut places = HashSet::new();
    name_places(graph, &mut places);
    let has = |names: &[&str]| names.iter().any(|name| places.contains(name));
    call.wishes_only(|wish| match wish {
        "size" => has(&["width", "height"]),
        "margins" => has(&["left", "top", "right", "bottom"]),
        wish => has(&[wish]),
    })?;
    // The same graph twice is not run again by the server: without a wish the seed is new.
    let seed = call.settings.seed.unwrap_or_else(|| rand::random::<u32>().into());
    filled(graph, &|name| value(call, pictures, seed, name)).map_err(unfit)
}

/// The name of a place, and its default.
fn place(text: &str) -> Option<(&str, Option<&str>)> {
    let place = text.strip_prefix("{{")?.strip_suffix("}}")?;
    Some(match place.split_once('|') {
        Some((name, default)) => (name.trim(), Some(default.trim())),
        None => (place.trim(), None),
    })
}

fn name_places<'a>(graph: &'a Value, places: &mut HashSet<&'a str>) {
    match graph {
        Value::String(text) => places.extend(place(text).map(|(name, _)| name)),
        Value::Array(items) => items.iter().for_each(|item| name_places(item, places)),
        Value::Object(fields) => fields.values().for_each(|inner| name_places(inner, places)),
        _ => {}
    }
}

fn filled(graph: &Value, value: &impl Fn(&str) -> Option<Value>) -> Result<Value, Unfit> {
    match graph {
        Value::String(text) => match place(text) {
            None => Ok(graph.clone()),
            Some((name, default)) => {
                value(name).or(default.map(read)).ok_or_else(|| Unfit::NoValue(name.to_owned()))
            }
        },
        Value::Array(items) => items.iter().map(|item| filled(item, value)).collect(),
        Value::Object(fields) => {
            let field = |(name, inner)| Ok((String::clone(name), filled(inner, value)?));
            fields.iter().map(field).collect::<Result<_, _>>().map(Value::Object)
        }
        other => Ok(other.clone()),
    }
}

/// A default: JSON if it is any, a text otherwise.
fn read(default: &str) -> Value {
    serde_json::from_str(default).unwrap_or_else(|_| default.into())
}

fn value(call: &Call, pictures: &Pictures, seed: i64, name: &str) -> Option<Value> {
    let (settings, wording) = (&call.settings, call.prompt.wording());
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty()).map(Value::from);
    match name {
        "prompt" => Some(wording.prompt_text().into()),
        "negative_prompt" => Some(wording.negative_text().into()),
        "seed" => Some(seed.into()),
        "width" => settings.size.map(|size| size.width.into()),
        "height" => settings.size.map(|size| size.height.into()),
        "steps" => settings.steps.map(Value::from),
        "guidance" => settings.guidance.map(Value::from),
        "strength" => settings.strength.map(Value::from),
        "upscale_factor" => settings.upscale_factor.map(Value::from),
        "model" => text(&call.model),
        "mask" => pictures.mask.clone().map(Value::from),
        "left" => settings.margins.map(|margins| margins.left.into()),
        "top" => settings.margins.map(|margins| margins.top.into()),
        "right" => settings.margins.map(|margins| margins.right.into()),
        "bottom" => settings.margins.map(|margins| margins.bottom.into()),
        "image" => pictures.references.first().cloned().map(Value::from),
        _ => {
            let place: usize = name.strip_prefix("image_")?.parse().ok()?;
            pictures.references.get(place.checked_sub(1)?).cloned().map(Value::from)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_are_filled_with_values_of_their_own_kind() {
        let graph = json!({ "3": { "inputs": { "seed": "{{seed}}", "steps": "{{steps|20}}", "name": "{{model|base}}",
            "text": "{{prompt}}", "note": "a {{prompt}} b", "link": ["4", 0] } } });
        let value = |name: &str| match name {
            "seed" => Some(json!(7)),
            "prompt" => Some(json!("{{seed}}\", \"class_type\": \"Evil")),
            _ => None,
        };
        let expected = json!({ "3": { "inputs": { "seed": 7, "steps": 20, "name": "base",
            "text": "{{seed}}\", \"class_type\": \"Evil", "note": "a {{prompt}} b", "link": ["4", 0] } } });
        assert_eq!(
            filled(&graph, &value).expect("filled"),
            expected,
            "a prompt stays a text, whatever it holds"
        );
        assert!(filled(&json!("{{mask}}"), &value).is_err());
    }
}
