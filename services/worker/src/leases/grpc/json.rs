//! `google.protobuf.Struct` as JSON.

use prost_types::Struct;
use prost_types::value::Kind;
use serde_json::{Map, Number, Value};

/// An object. A whole number stays whole, as it was in the catalogue.
pub(super) fn object(object: Struct) -> Map<String, Value> {
    object.fields.into_iter().map(|(name, found)| (name, value(found))).collect()
}

fn value(value: prost_types::Value) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(flag)) => Value::Bool(flag),
        Some(Kind::NumberValue(found)) => number(found).map_or(Value::Null, Value::Number),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::ListValue(list)) => Value::Array(list.values.into_iter().map(self::value).collect()),
        Some(Kind::StructValue(inner)) => Value::Object(object(inner)),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "whole and within what a double holds exactly")]
fn number(found: f64) -> Option<Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if found.fract() == 0.0 && found.abs() < EXACT {
        Some(Number::from(found as i64))
    } else {
        Number::from_f64(found)
    }
}
