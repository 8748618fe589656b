//! Which model is asked when the person names none.

use imagioo_proto::generation::v1::{DeploymentState, Model, Operation, Price};

use crate::backoff::patiently;
use crate::client::Client;
use crate::commands::list::short;
use crate::commands::models;
use crate::context::Context;
use crate::failure::Failure;
use crate::json::word;
use crate::names;
use crate::output::credits;
use crate::progress::Progress;

/// What a model must be able to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    pub(super) operation: Operation,
    /// Pictures to start from.
    pub(super) pictures: usize,
}

impl Needs {
    fn are_met_by(self, model: &Model) -> bool {
        let most = usize::try_from(model.max_references).unwrap_or_default();
        model.operations().any(|operation| operation == self.operation) && self.pictures <= most
    }
}

/// The profile's model if it can do this, else the first of the catalogue that can and is not out of order; the person is
/// told which.
///
/// # Errors
/// [`Failure::Usage`] when no model can do it, or why the catalogue cannot be read.
pub(super) async fn choose(
    context: &Context,
    client: &Client,
    progress: &Progress,
    needs: Needs,
) -> Result<String, Failure> {
    let preferred = context.selected()?.1.and_then(|profile| profile.model).map(|model| names::model(&model));
    let models = patiently(async || models::all(client).await).await?.models;
    let known = models.iter().find(|model| preferred.as_ref() == Some(&model.name));
    match (preferred, known) {
        // The server explains what became of it.
        (Some(preferred), None) => return Ok(preferred),
        (Some(preferred), Some(known)) if needs.are_met_by(known) => return Ok(preferred),
        _ => {}
    }
    let chosen = first(&models, needs).ok_or_else(|| nobody(needs))?;
    let (name, price) = (short(&chosen.name), credits(least_price(chosen, needs.operation)));
    progress
        .remark(context.output, &format!("model: {name}, from {price} an image; `--model` names another"));
    Ok(chosen.name.clone())
}

/// The first in the catalogue's order, which is the operator's; one that is out of order only if there is no other.
fn first(models: &[Model], needs: Needs) -> Option<&Model> {
    let able = || models.iter().filter(|model| needs.are_met_by(model));
    able().find(|model| is_available(model)).or_else(|| able().next())
}

fn is_available(model: &Model) -> bool {
    model.deployments.first().is_none_or(|deployment| deployment.state() == DeploymentState::Available)
}

/// Credits for one image in the cheapest way to do this.
fn least_price(model: &Model, operation: Operation) -> i64 {
    let fits = |named: Operation| named == operation || named == Operation::Unspecified;
    let starts = operation != Operation::TextToImage;
    // A picture has at least one megapixel that has begun.
    let added =
        |price: &Price| (price.credits_per_reference + price.credits_per_input_megapixel).ceil() as i64;
    let whole = |price: &Price| price.credits + if starts { added(price) } else { 0 };
    let prices = model.prices.iter().filter(|price| fits(price.operation())).map(whole);
    prices.min().unwrap_or(model.price)
}

fn nobody(needs: Needs) -> Failure {
    let what = word(needs.operation.as_str_name(), "OPERATION_").replace('_', " ");
    let pictures =
        if needs.pictures > 1 { format!(" with {} pictures", needs.pictures) } else { String::new() };
    Failure::usage(
        format!("no model of this server can do {what}{pictures}"),
        "`imagioo models` shows what there is, `imagioo providers add` adds more",
    )
}

#[cfg(test)]
mod tests {
    use imagioo_proto::generation::v1::ModelDeployment;

    use super::*;

    fn model(name: &str, operation: Operation, state: DeploymentState) -> Model {
        let deployment = ModelDeployment { state: state.into(), ..ModelDeployment::default() };
        Model {
            name: format!("models/{name}"),
            operations: vec![operation.into()],
            max_references: 2,
            deployments: vec![deployment],
            ..Model::default()
        }
    }

    #[test]
    fn the_first_that_can_and_works_is_chosen() {
        use DeploymentState::{Available, Shut};
        let models = [
            model("text", Operation::TextToImage, Available),
            model("ill", Operation::Upscale, Shut),
            model("well", Operation::Upscale, Available),
        ];
        let chosen = |models, operation, pictures| {
            first(models, Needs { operation, pictures }).map(|model| model.name.as_str())
        };
        assert_eq!(chosen(&models, Operation::Upscale, 1), Some("models/well"));
        assert_eq!(chosen(&models[..2], Operation::Upscale, 1), Some("models/ill"));
        assert_eq!(chosen(&models, Operation::Upscale, 3), None);
        assert_eq!(chosen(&models, Operation::Inpaint, 1), None);
    }

    #[test]
    fn the_price_is_that_of_the_operation() {
        let price = |credits, operation: Operation| Price {
            credits,
            operation: operation.into(),
            ..Price::default()
        };
        let prices = vec![
            price(1, Operation::TextToImage),
            price(9, Operation::Upscale),
            price(4, Operation::Unspecified),
        ];
        let model = Model { price: 1, prices, ..Model::default() };
        let by_picture = Price { credits: 2, credits_per_input_megapixel: 0.5, ..Price::default() };
        let edits = Model { prices: vec![by_picture], ..Model::default() };
        assert_eq!(least_price(&edits, Operation::ImageToImage), 3);
        assert_eq!(least_price(&edits, Operation::TextToImage), 2);
        assert_eq!(least_price(&model, Operation::Upscale), 4);
        assert_eq!(least_price(&model, Operation::TextToImage), 1);
        assert_eq!(least_price(&Model { prices: Vec::new(), ..model }, Operation::Upscale), 1);
    }

    #[test]
    fn who_finds_no_model_is_told_what_was_wanted() {
        let failure = nobody(Needs { operation: Operation::RemoveBackground, pictures: 1 });
        assert_eq!(format!("{failure}"), "no model of this server can do remove background");
    }
}
