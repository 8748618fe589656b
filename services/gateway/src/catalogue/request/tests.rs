//! What is refused of which model, and what the rest costs.

use imagioo_picture::{Background, Format, Margins};

use super::super::file;
use super::super::options::Files;
use super::*;

const CATALOGUE: &str = r#"
version = "test"

[[models]]
id = "able"
title = "Able"
operations = ["text_to_image", "image_to_image", "inpaint", "outpaint", "upscale", "remove_background", "variation"]
sizes = ["1024x1024", "512x512"]
custom_size = { multiple_of = 16, min_pixels = 65536, max_pixels = 4194304, max_side = 3840, max_ratio = 3.0 }
aspect_ratios = ["1:1", "16:9"]
resolutions = ["1K", "2K"]
qualities = ["medium", "high"]
formats = ["jpeg", "png"]
backgrounds = ["transparent", "opaque"]
max_count = 4
max_references = 3
upscale_factors = [2, 4]
seed = true
negative_prompt = true
compression = true
guidance = { min = 1.0, max = 10.0 }
steps = { min = 1, max = 50 }
strength = { min = 0.0, max = 1.0 }
without = { outpaint = ["seed", "quality"] }
prices = [
    { operation = "upscale", credits = 3 },
    { quality = "high", max_pixels = 1048576, credits = 20 },
    { quality = "high", credits = 40 },
    { resolution = "2K", credits = 9 },
    { credits = 5 },
]
[[models.deployments]]
id = "able"
provider = "p"
provider_model = "m"
concurrency = 1
call_timeout_seconds = 1
unknown_outcome = "fail"

[[models]]
id = "plain"
title = "Plain"
operations = ["text_to_image"]
sizes = ["1024x1024"]
formats = ["png"]
max_count = 1
prices = [{ credits = 1 }]
[[models.deployments]]
id = "plain"
provider = "p"
provider_model = "m"
concurrency = 1
call_timeout_seconds = 1
unknown_outcome = "fail"
"#;

fn price(model: &str, asked: Asked) -> Result<Priced, Unsupported> {
    file::parse(CATALOGUE, Files::BuiltIn)
        .expect("valid")
        .model(&format!("models/{model}"))
        .expect("known")
        .price(&asked)
}

fn fields(model: &str, asked: Asked) -> Vec<&'static str> {
    let Unsupported(problems) = price(model, asked).expect_err("refused");
    problems.iter().map(|(field, _)| *field).collect()
}

fn able(settings: Settings) -> Asked {
    Asked { settings, ..Asked::default() }
}

fn edit(operation: Operation) -> Asked {
    Asked { operation: Some(operation), references: 1, ..Asked::default() }
}

#[test]
fn the_operation_is_found_from_what_comes_along() {
    let margins =
        Settings { margins: Some(Margins { left: 1, ..Margins::default() }), ..Settings::default() };
    assert_eq!(Asked::default().operation(), Operation::TextToImage);
    assert_eq!(Asked { references: 2, ..Asked::default() }.operation(), Operation::ImageToImage);
    assert_eq!(Asked { references: 1, mask: true, ..Asked::default() }.operation(), Operation::Inpaint);
    assert_eq!(Asked { references: 1, ..able(margins) }.operation(), Operation::Outpaint);
}

#[test]
fn defaults_are_filled_in_and_every_image_is_priced() {
    let priced = price("plain", Asked::default()).expect("supported");
    assert_eq!(priced.settings.size, Some(Size { width: 1024, height: 1024 }));
    assert_eq!((priced.settings.format, priced.price), (Some(Format::Png), Credits::new(1)));
    let priced = price("able", Asked { count: 3, ..Asked::default() }).expect("supported");
    assert_eq!((priced.settings.quality.as_deref(), priced.price), (Some("medium"), Credits::new(15)));
    assert_eq!(priced.settings.aspect_ratio.as_deref(), Some("1:1"));
}

#[test]
fn the_first_rule_that_fits_is_the_price() {
    let high = |width, height| Settings {
        size: Some(Size { width, height }),
        quality: Some("high".to_owned()),
        ..Settings::default()
    };
    let unit = |asked| price("able", asked).expect("supported").price;
    assert_eq!(unit(able(high(1024, 1024))), Credits::new(20));
    assert_eq!(unit(able(high(2048, 1024))), Credits::new(40));
    let large = Settings { resolution: Some("2K".to_owned()), ..Settings::default() };
    assert_eq!(unit(able(large)), Credits::new(9));
    assert_eq!(unit(edit(Operation::Upscale)), Credits::new(3));
}

#[test]
fn each_unsupported_field_is_named_with_what_would_do() {
    let everything = Settings {
        size: Some(Size { width: 7, height: 7 }),
        quality: Some("high".to_owned()),
        format: Some(Format::Webp),
        seed: Some(1),
        background: Some(Background::Transparent),
        guidance: Some(1.0),
        steps: Some(1),
        strength: Some(0.5),
        upscale_factor: Some(2),
        margins: Some(Margins { left: 1, ..Margins::default() }),
        ..Settings::default()
    };
    let asked = Asked {
        operation: Some(Operation::TextToImage),
        count: 2,
        negative_prompt: true,
        ..able(everything)
    };
    let expected = [
        "settings.margins",
        "settings.size",
        "settings.quality",
        "settings.format",
        "settings.background",
        "settings.upscale_factor",
        "settings.seed",
        "settings.negative_prompt",
        "settings.guidance",
        "settings.steps",
        "settings.strength",
        "count",
    ];
    assert_eq!(fields("plain", asked.clone()), expected);
    let Unsupported(problems) = price("plain", asked).expect_err("refused");
    assert!(problems[1].1.contains("1024x1024"), "{problems:?}");
}

#[test]
fn whoever_would_take_the_same_is_named_unless_it_is_gone_or_out_of_order() {
    let now = time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000);
    let sunset = CATALOGUE.replacen("max_count = 4", "max_count = 4\nsunset = \"2020-01-01\"", 1);
    let able = |text: &str, asked: &Asked, works: bool| {
        file::parse(text, Files::BuiltIn).expect("valid").able(asked, now, |_| works)
    };
    assert_eq!(able(CATALOGUE, &edit(Operation::Upscale), true), ["models/able"]);
    assert_eq!(able(CATALOGUE, &Asked::default(), true), ["models/able", "models/plain"]);
    assert!(able(CATALOGUE, &edit(Operation::Inpaint), true).is_empty(), "a mask is missing everywhere");
    assert!(able(CATALOGUE, &Asked::default(), false).is_empty());
    assert_eq!(able(&sunset, &Asked::default(), true), ["models/plain"]);
}

#[test]
fn pictures_must_suit_the_operation() {
    let none = |operation| Asked { operation: Some(operation), ..Asked::default() };
    assert_eq!(fields("plain", edit(Operation::ImageToImage)), ["operation"]);
    assert_eq!(fields("able", none(Operation::ImageToImage)), ["references"]);
    assert_eq!(fields("able", edit(Operation::TextToImage)), ["references"]);
    assert_eq!(fields("able", Asked { references: 4, ..edit(Operation::ImageToImage) }), ["references"]);
    assert_eq!(fields("able", Asked { references: 2, ..edit(Operation::Upscale) }), ["references"]);
    assert_eq!(fields("able", edit(Operation::Inpaint)), ["mask"]);
    assert_eq!(fields("able", Asked { mask: true, ..edit(Operation::Variation) }), ["mask"]);
    assert_eq!(fields("able", edit(Operation::Outpaint)), ["settings.margins"]);
    assert!(price("able", Asked { references: 3, mask: true, ..edit(Operation::Inpaint) }).is_ok());
}

#[test]
fn a_size_is_listed_or_within_the_rule_and_excludes_an_aspect_ratio() {
    let sized = |width, height| able(Settings { size: Some(Size { width, height }), ..Settings::default() });
    for (width, height) in [(512, 512), (1280, 720), (3072, 1024)] {
        assert!(price("able", sized(width, height)).is_ok(), "{width}x{height}");
    }
    for (width, height) in [(1000, 1000), (16, 16), (3840, 1024), (4096, 1024), (3840, 2160)] {
        assert_eq!(fields("able", sized(width, height)), ["settings.size"], "{width}x{height}");
    }
    let mut both = sized(512, 512);
    both.settings.aspect_ratio = Some("16:9".to_owned());
    assert_eq!(fields("able", both), ["settings.size"]);
    let upscale = Asked { references: 1, operation: Some(Operation::Upscale), ..sized(512, 512) };
    assert_eq!(fields("able", upscale), ["settings.size"]);
}

#[test]
fn what_is_transparent_is_not_a_jpeg() {
    let clear = Settings { background: Some(Background::Transparent), ..Settings::default() };
    let priced = price("able", able(clear.clone())).expect("supported");
    assert_eq!(priced.settings.format, Some(Format::Png), "the first format that can");
    let jpeg = Settings { format: Some(Format::Jpeg), ..clear };
    assert_eq!(fields("able", able(jpeg)), ["settings.format"]);
    let cut = price("able", edit(Operation::RemoveBackground)).expect("supported");
    assert_eq!(cut.settings.format, Some(Format::Png));
}

#[test]
fn numbers_stay_within_their_bounds() {
    let settings = Settings {
        guidance: Some(10.5),
        steps: Some(51),
        compression: Some(80),
        format: Some(Format::Png),
        ..Settings::default()
    };
    assert_eq!(
        fields("able", able(settings)),
        ["settings.compression", "settings.guidance", "settings.steps"]
    );
    let upscale = Settings { upscale_factor: Some(3), ..Settings::default() };
    assert_eq!(
        fields("able", Asked { settings: upscale, ..edit(Operation::Upscale) }),
        ["settings.upscale_factor"]
    );
}

#[test]
fn an_operation_may_lack_a_setting_that_the_model_has_for_others() {
    let margins = Some(Margins { left: 16, ..Margins::default() });
    let seeded = |operation, margins| Asked {
        settings: Settings { seed: Some(1), margins, ..Settings::default() },
        ..edit(operation)
    };
    assert!(price("able", seeded(Operation::ImageToImage, None)).is_ok());
    assert_eq!(fields("able", seeded(Operation::Outpaint, margins)), ["settings.seed"]);
    let plain = Asked { settings: Settings { margins, ..Settings::default() }, ..edit(Operation::Outpaint) };
    assert_eq!(price("able", plain).expect("supported").settings.quality, None, "nor is a default filled in");
    let strong = Settings { strength: Some(0.5), ..Settings::default() };
    assert_eq!(fields("able", able(strong.clone())), ["settings.strength"], "there is no picture");
    assert!(price("able", Asked { settings: strong, ..edit(Operation::Variation) }).is_ok());
}
