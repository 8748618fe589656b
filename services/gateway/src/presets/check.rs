//! What a preset must be to be kept: every mistake is named at once.

use imagioo_picture::{Margins, Operation, Settings};
use imagioo_rpc::{Code, RpcError};
use imagioo_types::Credits;

use crate::app::App;
use crate::catalogue::{Asked, MOST_NAMED, Model, Unsupported};
use crate::generations::create;
use crate::preset::{Content, PLACE};

/// Refuses content that no request could use.
pub(crate) fn check(app: &App, content: &Content) -> Result<(), RpcError> {
    let mut wrong = Vec::new();
    if content.title.trim().is_empty() {
        wrong.push(("preset.title".to_owned(), "must not be empty".to_owned()));
    }
    let places = content.words.prompt_text().matches(PLACE).count();
    if content.words.prompt.is_some() && places != 1 {
        let what =
            format!("must have {PLACE} once, where the prompt of the request goes; it has it {places} times");
        wrong.push(("preset.template".to_owned(), what));
    }
    let (catalogue, now) = (app.catalogue(), app.clock.now());
    let mut others = Vec::new();
    match &content.model {
        Some(name) => match create::find_model(&catalogue, name, now) {
            Ok(model) => {
                let problems = unable(model, content);
                if !problems.is_empty() {
                    let able = catalogue.offered(now).filter(|other| unable(other, content).is_empty());
                    others = able.map(Model::name).take(MOST_NAMED).collect();
                }
                wrong.extend(problems);
            }
            Err(refusal) => wrong.extend(prefixed(refusal.violations().to_vec())),
        },
        None if catalogue.offered(now).all(|model| !unable(model, content).is_empty()) => {
            wrong.push((
                "preset.settings".to_owned(),
                "no model can do all of this: leave something out".to_owned(),
            ));
        }
        None => {}
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let error = match others.as_slice() {
        [] => RpcError::new(Code::InvalidArgument, "the preset has invalid fields"),
        able => {
            let message = format!("the preset has invalid fields; these models can: {}", able.join(", "));
            RpcError::new(Code::InvalidArgument, message).detail("models", able.join(","))
        }
    };
    Err(wrong.into_iter().fold(error, |error, (field, description)| error.field(field, description)))
}

/// Credits for one image made with this content, if it can be made now.
pub(crate) fn price(app: &App, content: &Content) -> Option<Credits> {
    let catalogue = app.catalogue();
    let model = create::find_model(&catalogue, content.model.as_ref()?, app.clock.now()).ok()?;
    let priced = model.price(&typical(model, content)).ok()?;
    priced.price.add(content.surcharge).ok()
}

fn unable(model: &Model, content: &Content) -> Vec<(String, String)> {
    match model.price(&typical(model, content)) {
        Ok(_) => Vec::new(),
        Err(Unsupported(problems)) => {
            prefixed(problems.into_iter().map(|(field, what)| (field.to_owned(), what)).collect())
        }
    }
}

fn prefixed(problems: Vec<(String, String)>) -> Vec<(String, String)> {
    problems.into_iter().map(|(field, what)| (format!("preset.{field}"), what)).collect()
}

/// A request that adds to this content no more than its operation needs.
fn typical(model: &Model, content: &Content) -> Asked {
    let operation = content.operation.unwrap_or_else(|| likely(model, &content.settings));
    let some = Margins { left: 1, ..Margins::default() };
    let margins = content.settings.margins.or((operation == Operation::Outpaint).then_some(some));
    Asked {
        operation: Some(operation),
        settings: Settings { margins, ..content.settings.clone() },
        negative_prompt: content.words.negative.is_some(),
        count: 1,
        references: usize::from(operation.needs_reference()),
        mask: operation == Operation::Inpaint,
        ..Asked::default()
    }
}

/// What these settings are for, where the preset does not say.
fn likely(model: &Model, settings: &Settings) -> Operation {
    let first = model.operations.first().copied().unwrap_or(Operation::TextToImage);
    match settings {
        Settings { margins: Some(_), .. } => Operation::Outpaint,
        Settings { upscale_factor: Some(_), .. } => Operation::Upscale,
        _ if model.operations.contains(&Operation::TextToImage) => Operation::TextToImage,
        _ => first,
    }
}
