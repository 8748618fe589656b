//! The body of a request: the model, the prompt, and the parameters this server is known to understand.

use serde::{Deserialize, Serialize};

use super::OpenAiConfig;
use crate::provider::{Call, CallError};
use crate::reason::Reason;

/// An optional parameter of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parameter {
    /// Several images in one call.
    N,
    /// Width and height.
    Size,
    /// A quality by name.
    Quality,
    /// The file format.
    OutputFormat,
    /// Not of OpenAI's own; many compatible servers have it.
    Seed,
}

impl Parameter {
    /// What the GPT image models understand.
    pub(super) fn usual() -> Vec<Self> {
        vec![Self::N, Self::Size, Self::Quality, Self::OutputFormat]
    }
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<&'static str>,
}

pub(super) fn body(config: &OpenAiConfig, call: &Call) -> Result<Vec<u8>, CallError> {
    let knows = |parameter| config.parameters.contains(&parameter);
    let given = |parameter, text: &'_ str| knows(parameter) && !text.is_empty();
    let body = Body {
        model: &call.model,
        prompt: call.prompt.prompt().as_str(),
        n: knows(Parameter::N).then_some(call.count),
        size: given(Parameter::Size, &call.size).then_some(&call.size),
        quality: given(Parameter::Quality, &call.quality).then_some(&call.quality),
        output_format: knows(Parameter::OutputFormat).then(|| call.format.as_str()),
        seed: call.seed.filter(|_| knows(Parameter::Seed)),
        response_format: config.send_response_format.then_some("b64_json"),
    };
    serde_json::to_vec(&body).map_err(|error| CallError::failed(Reason::SettingUnsupported).because(error))
}
