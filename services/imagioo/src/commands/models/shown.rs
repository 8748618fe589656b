//! Models as people read them.

use imagioo_proto::generation::v1::{Bounds, CustomSize, Model, Price};

use crate::commands::list::short;
use crate::json::model::{formats, operations, state};
use crate::json::settings;
use crate::output::{credits, tame};
use crate::table::Table;
use crate::when;

/// Models in a list.
pub(super) fn table(models: &[Model]) -> Table {
    let heading = ["NAME", "PRICE", "MAX", "SEED", "FORMATS", "QUALITIES", "SIZES", "STATE", "OPERATIONS"];
    let mut table = Table::new(&heading);
    for model in models {
        table.row([
            short(&model.name).to_owned(),
            format!("{}", model.price),
            format!("{}", model.max_count),
            if model.seed { "yes" } else { "no" }.to_owned(),
            dashed(&formats(model)),
            dashed(&model.qualities),
            dashed(if model.sizes.is_empty() { &model.aspect_ratios } else { &model.sizes }),
            standing(model),
            dashed(&operations(model)),
        ]);
    }
    table
}

/// The state of a model's preferred deployment, and how many others stand in for it.
fn standing(model: &Model) -> String {
    let preferred = model.deployments.first().map(state).unwrap_or_default();
    let others = model.deployments.iter().skip(1).filter(|other| state(other) == "available").count();
    if others == 0 { preferred } else { format!("{preferred} +{others}") }
}

fn dashed(words: &[String]) -> String {
    if words.is_empty() { "-".to_owned() } else { words.join(" ") }
}

/// One model: everything that it accepts and what it costs, a fact a line.
pub(super) fn describe(model: &Model) -> Vec<String> {
    let mut facts: Vec<(&str, String)> = vec![
        ("name", short(&model.name).to_owned()),
        ("title", model.title.clone()),
        ("operations", operations(model).join(", ")),
        ("sizes", sizes(model)),
        ("ratios", model.aspect_ratios.join(", ")),
        ("resolutions", model.resolutions.join(", ")),
        ("qualities", model.qualities.join(", ")),
        ("formats", formats(model).join(", ")),
        ("backgrounds", model.backgrounds().filter_map(settings::background).collect::<Vec<_>>().join(", ")),
        ("images", format!("at most {}", model.max_count)),
        ("references", at_most(model.max_references)),
        (
            "upscales",
            model.upscale_factors.iter().map(|factor| format!("x{factor}")).collect::<Vec<_>>().join(", "),
        ),
        ("settings", others(model).join(", ")),
        ("sunset", sunset(model)),
        ("regions", model.regions.join(", ")),
    ];
    facts.extend(model.prices.iter().map(|rule| ("price", price(rule))));
    facts.extend(model.deployments.iter().map(|place| {
        let own = place.prices.first().map(|_| ", at its own price").unwrap_or_default();
        ("runs at", format!("{}: {}{own}", place.id, state(place)))
    }));
    facts.retain(|(_, fact)| !fact.is_empty());
    facts.into_iter().map(|(what, fact)| format!("{what:<11} {}", tame(&fact))).collect()
}

fn sizes(model: &Model) -> String {
    let listed = model.sizes.iter().cloned();
    let custom = model.custom_size.map(|size| {
        let CustomSize { multiple_of, min_pixels, max_pixels, max_side, max_ratio } = size;
        format!(
            "multiples of {multiple_of} up to {max_side}, {min_pixels} to {max_pixels} pixels, at most {max_ratio}:1"
        )
    });
    listed.chain(custom).collect::<Vec<_>>().join(", ")
}

fn at_most(references: i32) -> String {
    if references > 0 { format!("at most {references}") } else { String::new() }
}

/// Settings that only some models have.
fn others(model: &Model) -> Vec<String> {
    let flag = |name: &str, is_there: bool| is_there.then(|| name.to_owned());
    let bounds = |name: &str, bounds: Option<Bounds>| {
        bounds.map(|Bounds { min, max }| format!("{name} {min} to {max}"))
    };
    let all = [
        flag("seed", model.seed),
        flag("negative prompt", model.negative_prompt),
        flag("compression", model.compression),
        bounds("guidance", model.guidance),
        bounds("steps", model.steps),
        bounds("strength", model.strength),
    ];
    all.into_iter().flatten().collect()
}

fn sunset(model: &Model) -> String {
    match (&model.sunset_time, model.successor.as_str()) {
        (None, _) => String::new(),
        (at, "") => when::minute(at.as_ref()),
        (at, successor) => format!("{}, then {}", when::minute(at.as_ref()), short(successor)),
    }
}

/// A rule of the price list: what an image costs, and when.
fn price(rule: &Price) -> String {
    let asked = [
        settings::operation(rule.operation()).unwrap_or_default(),
        rule.quality.clone(),
        rule.resolution.clone(),
        if rule.max_pixels > 0 { format!("up to {} pixels", rule.max_pixels) } else { String::new() },
    ];
    let asked: Vec<_> = asked.into_iter().filter(|word| !word.is_empty()).collect();
    let more =
        [(rule.credits_per_reference, "reference"), (rule.credits_per_input_megapixel, "input megapixel")];
    let more: String = more
        .iter()
        .filter(|(added, _)| *added > 0.0)
        .map(|(added, what)| format!(" + {added} for each {what}"))
        .collect();
    let when = if asked.is_empty() { String::new() } else { format!(" for {}", asked.join(", ")) };
    format!("{}{more}{when}", credits(rule.credits))
}

#[cfg(test)]
mod tests {
    use imagioo_proto::generation::v1::{ImageFormat, Operation};

    use super::*;

    fn model() -> Model {
        let rule = Price { credits: 4, quality: "high".to_owned(), max_pixels: 100, ..Price::default() };
        let last = Price { credits: 1, credits_per_input_megapixel: 1.5, ..Price::default() };
        Model {
            name: "models/m".to_owned(),
            operations: vec![Operation::TextToImage.into(), Operation::Upscale.into()],
            formats: vec![ImageFormat::Png.into()],
            sizes: vec!["64x64".to_owned()],
            upscale_factors: vec![2, 4],
            guidance: Some(Bounds { min: 1.5, max: 10.0 }),
            prices: vec![rule, last],
            ..Model::default()
        }
    }

    #[test]
    fn a_list_says_what_each_model_does() {
        let lines = table(&[model()]).lines(None);
        assert!(lines[1].ends_with("text_to_image upscale"), "{lines:?}");
    }

    #[test]
    fn a_model_is_told_whole_and_what_it_lacks_is_left_out() {
        let lines = describe(&model()).join("\n");
        for fact in [
            "operations  text_to_image, upscale",
            "upscales    x2, x4",
            "settings    guidance 1.5 to 10",
            "price       4 credits for high, up to 100 pixels",
            "price       1 credit + 1.5 for each input megapixel",
        ] {
            assert!(lines.contains(fact), "{fact}\n{lines}");
        }
        assert!(!lines.contains("resolutions") && !lines.contains("sunset"), "{lines}");
    }
}
