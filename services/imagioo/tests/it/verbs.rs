//! Every command that makes images, against a running server: what it asks for, what it saves, what it costs.

use std::path::{Path, PathBuf};

use image::{DynamicImage, GenericImageView as _, GrayImage, Luma};
use serde_json::Value;

use crate::house::House;

fn open(path: &Path) -> DynamicImage {
    image::open(path).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A small picture made by the server, and the answer that tells of it.
fn fox(house: &House) -> (PathBuf, Value) {
    let path = house.path("fox.png");
    let made = ["generate", "a red fox", "--size", "256x256", "--seed", "5", "-o", text(&path), "--json"];
    let made = house.imagioo(&made);
    (path, made)
}

fn made(answer: &Value, operation: &str) -> String {
    assert_eq!(
        (answer["state"].as_str(), answer["operation"].as_str()),
        (Some("succeeded"), Some(operation))
    );
    answer["images"][0]["name"].as_str().unwrap().to_owned()
}

/// White on the left half.
fn left_half(path: &Path) {
    let white = |x, _| Luma([if x < 128 { 255 } else { 0 }]);
    GrayImage::from_fn(256, 256, white).save(path).unwrap();
}

fn differs(before: &DynamicImage, after: &DynamicImage, columns: std::ops::Range<u32>) -> bool {
    columns.into_iter().any(|x| (0..256).any(|y| before.get_pixel(x, y) != after.get_pixel(x, y)))
}

#[test]
fn each_operation_has_a_command_that_saves_what_it_says() {
    let house = House::new();
    let server = house.serve(&["--demo"]);
    server.line_after("first image: ");
    let credits = house.available();
    let (original, first) = fox(&house);
    let (name, before) = (made(&first, "text_to_image"), open(&original));
    let generation = first["name"].as_str().unwrap();
    let (result, mask) = (house.path("result.png"), house.path("mask.png"));
    let run = |arguments: &[&str]| {
        house.imagioo(&[arguments, &["--force", "--out", text(&result), "--json"]].concat())
    };

    // A file, an image and a generation are all pictures; what was made from it is the parent.
    let edited = run(&["edit", &name, "in the snow", "--with", text(&original), "--strength", "0.5"]);
    made(&edited, "image_to_image");
    assert_eq!(edited["parent"], first["name"]);
    assert_eq!(edited["inputs"].as_array().unwrap().len(), 2);

    left_half(&mask);
    let inpainted = run(&["inpaint", generation, "a sunny day", "--mask", text(&mask)]);
    made(&inpainted, "inpaint");
    let after = open(&result);
    assert!(differs(&before, &after, 0..120) && !differs(&before, &after, 136..256), "white is repainted");

    made(&run(&["outpaint", text(&original), "--margins", "64,0,0,32"]), "outpaint");
    let after = open(&result);
    assert_eq!(after.dimensions(), (320, 288));
    assert_eq!(after.get_pixel(64 + 100, 100), before.get_pixel(100, 100));
    made(&run(&["outpaint", &name, "a forest", "--to", "512x256"]), "outpaint");
    assert_eq!(open(&result).dimensions(), (512, 256));

    made(&run(&["upscale", &name, "--factor", "4"]), "upscale");
    assert_eq!(open(&result).dimensions(), (1024, 1024));
    made(&run(&["remove-background", &name, "--format", "png"]), "remove_background");
    assert!(open(&result).to_rgba8().pixels().any(|pixel| pixel.0[3] == 0), "nothing is clear");

    let folder = house.path("varied");
    std::fs::create_dir(&folder).unwrap();
    let out = text(&folder);
    let varied = house.imagioo(&["vary", &name, "-n", "2", "--seed", "7", "-o", out, "--json"]);
    made(&varied, "variation");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);

    house.wait_until_at_rest();
    assert_eq!(house.available(), credits - 9);
    server.interrupt();
}

#[test]
fn a_generation_is_run_again_with_its_seed_or_with_another() {
    let house = House::new();
    let server = house.serve(&["--demo"]);
    server.line_after("first image: ");
    let (original, first) = fox(&house);
    let name = first["name"].as_str().unwrap();
    let (same, other) = (house.path("same.png"), house.path("other.png"));
    let again = house.imagioo(&["again", name, "--keep-seed", "-o", text(&same), "--json"]);
    assert_eq!((&again["parent"], &again["prompt"]), (&first["name"], &first["prompt"]));
    assert!(open(&same) == open(&original), "the seed was kept");
    house.imagioo(&["again", name, "-m", "sketch", "-o", text(&other)]);
    assert!(open(&other) != open(&original), "another seed was chosen");
    let versions = house.imagioo(&["list", "--versions-of", name, "--json"]);
    assert_eq!(versions["generations"].as_array().unwrap().len(), 3);

    // What exists is not replaced, and nothing is paid for it.
    let credits = house.available();
    assert_eq!(house.exit_code(&["again", name, "-o", text(&same)]), 2);
    assert_eq!(house.exit_code(&["again", name, "-m", "nothing"]), 2);
    assert_eq!(house.exit_code(&["again", "gen_00000000000000000000000000000000"]), 4);
    assert_eq!(house.available(), credits);
    server.interrupt();
}

#[test]
fn who_names_no_model_is_told_which_was_chosen_and_a_wrong_picture_is_explained() {
    let house = House::new();
    let server = house.serve(&["--demo"]);
    server.line_after("first image: ");
    let (original, first) = fox(&house);
    let out = house.path("large.png");
    let said = house.says(&["upscale", text(&original), "-o", text(&out)]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("model: sketch, from 1 credit an image"), "{}", said.err);

    let two = house.imagioo(&["generate", "two foxes", "-n", "2", "--size", "256x256", "--json"]);
    let said = house.says(&["upscale", two["name"].as_str().unwrap()]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("has 2 images") && said.err.contains("name one of them"), "{}", said.err);
    let said = house.says(&["edit", "no-such.png", "in the snow"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("there is no file no-such.png") && said.err.contains("img_"), "{}", said.err);
    let said = house.says(&["upscale", text(&original), "--factor", "3", "--json"]);
    let refused: Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!(refused["error"]["reason"], "SETTING_UNSUPPORTED");
    assert_eq!(refused["error"]["violations"][0]["field"], "settings.upscale_factor");
    let said = house.says(&["outpaint", text(&original), "--to", "128x128"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("256x256 cannot become 128x128"), "{}", said.err);
    assert_eq!(house.says(&["outpaint", text(&original)]).code, 2);
    assert_eq!(house.says(&["upscale", text(&original), "-n", "2", "--max-credits", "1"]).code, 2);

    let models = house.imagioo(&["models", "--for", "upscale", "--json"]);
    assert_eq!(models["models"][0]["name"], "models/sketch");
    assert_eq!(first["state"], "succeeded");
    server.interrupt();
}

#[test]
fn a_terminal_that_can_shows_the_picture_and_others_do_not() {
    let house = House::new();
    let server = house.serve(&["--demo"]);
    server.line_after("first image: ");
    let path = house.path("small.png");
    let arguments = ["generate", "a red fox", "--size", "256x256", "--force", "-o", text(&path)];
    let picture = "\x1b_Ga=T,f=100";
    let kitty = [("TERM", "xterm-kitty")];
    assert!(house.seen(&arguments, &kitty).contains(picture));
    assert!(!house.seen(&[&arguments[..], &["--no-previews"]].concat(), &kitty).contains(picture));
    assert!(!house.seen(&[&arguments[..], &["--json"]].concat(), &kitty).contains(picture));
    assert!(!house.seen(&arguments, &[("TERM", "xterm-256color")]).contains(picture));
    let piped = house.says(&arguments);
    assert_eq!(piped.out.trim_end(), text(&path));
    assert!(!piped.err.contains(picture));
    server.interrupt();
}
