//! Edits over the OpenAI adapter: what is sent for each operation, and in which convention.

use imagioo_picture::{Format, Margins, Operation, Settings};
use imagioo_worker::job::Job;

use imagioo_testkit::web::Asked;

use super::fake_openai::{FakeOpenAi, success};
use crate::harness::{World, ending, job_at, picture};
use crate::pictures::{kept, mask};

/// A job of one image with one reference, for an operation.
async fn edit(world: &World, operation: Operation, settings: Settings) -> Job {
    let mut job = job_at("openai", 1);
    job.operation = operation;
    job.settings = Settings { format: Some(Format::Png), ..settings };
    job.references = vec![kept(world, &job, &picture(1)).await];
    job
}

/// Runs a job against a server that answers with one image; what the server was asked.
async fn asked(world: &mut World, job: &Job) -> Asked {
    let server = FakeOpenAi::start([success(&[&picture(9)])]).await;
    let mut overrides = toml::toml! {
        [providers.openai]
        kind = "openai"
        api_key = "test-key"
    };
    overrides["providers"]["openai"]
        .as_table_mut()
        .expect("an account")
        .insert("base_url".to_owned(), server.base_url().into());
    let worker = world.start_configured(overrides);
    world.submit(job).await;
    assert_eq!(ending(&world.outcome().await.manifest), "complete");
    worker.stop().await;
    let asked = server.asked().remove(0);
    assert_eq!(
        (asked.path.as_str(), asked.header("authorization")),
        ("/v1/images/edits", Some("Bearer test-key"))
    );
    asked
}

fn names(asked: &Asked) -> Vec<String> {
    asked.parts().into_iter().map(|part| part.name).collect()
}

fn part(asked: &Asked, name: &str) -> Vec<u8> {
    asked.part(name).expect("sent").body
}

#[tokio::test]
async fn every_reference_is_sent_as_a_file_beside_the_settings() {
    let mut world = World::new().await;
    let mut job = edit(&world, Operation::ImageToImage, Settings::default()).await;
    job.references.push(kept(&world, &job, &picture(2)).await);
    let asked = asked(&mut world, &job).await;
    let expected = ["model", "n", "output_format", "prompt", "image[]", "image[]"];
    assert_eq!(names(&asked), expected, "no mask, and no size: the server keeps the picture's");
    assert_eq!(part(&asked, "prompt"), b"a red fox under a full moon");
    let files: Vec<_> = asked.parts().into_iter().filter(|part| part.name == "image[]").collect();
    assert_eq!([&files[0].body[..], &files[1].body[..]], [&picture(1)[..], &picture(2)[..]]);
    assert_eq!(files[0].content_type.as_deref(), Some("image/png"));
}

#[tokio::test]
async fn a_mask_becomes_transparent_where_it_was_white() {
    let mut world = World::new().await;
    let mut job = edit(&world, Operation::Inpaint, Settings::default()).await;
    job.mask = Some(kept(&world, &job, &mask()).await);
    let asked = asked(&mut world, &job).await;
    let sent = image::load_from_memory(&part(&asked, "mask")).expect("a picture").into_rgba8();
    assert_eq!(sent.dimensions(), (64, 48));
    assert!(sent.enumerate_pixels().all(|(x, _, pixel)| pixel.0[3] == if x < 32 { 0 } else { 255 }));
}

#[tokio::test]
async fn an_outpaint_is_an_edit_of_a_larger_canvas() {
    let mut world = World::new().await;
    let margins = Some(Margins { left: 16, top: 0, right: 0, bottom: 16 });
    let job = edit(&world, Operation::Outpaint, Settings { margins, ..Settings::default() }).await;
    let asked = asked(&mut world, &job).await;
    assert_eq!(part(&asked, "size"), b"80x64", "the canvas that was promised");
    let [canvas, mask] = ["image[]", "mask"]
        .map(|name| image::load_from_memory(&part(&asked, name)).expect("a picture").into_rgba8());
    assert_eq!((canvas.dimensions(), mask.dimensions()), ((80, 64), (80, 64)));
    for (x, y, pixel) in mask.enumerate_pixels() {
        let inside = x >= 16 && y < 48;
        assert_eq!(pixel.0[3], if inside { 255 } else { 0 }, "{x} {y}");
        assert_eq!(canvas.get_pixel(x, y).0[3], if inside { 255 } else { 0 }, "{x} {y}");
    }
}

#[tokio::test]
async fn a_picture_that_is_gone_ends_the_job_before_anything_is_paid() {
    let mut world = World::new().await;
    let job = edit(&world, Operation::ImageToImage, Settings::default()).await;
    world.storage.delete(&job.references[0].key).await.expect("deleted");
    let server = FakeOpenAi::start([success(&[&picture(9)])]).await;
    let mut overrides = toml::toml! {
        [providers.openai]
        kind = "openai"
    };
    overrides["providers"]["openai"]
        .as_table_mut()
        .expect("an account")
        .insert("base_url".to_owned(), server.base_url().into());
    let worker = world.start_configured(overrides);
    world.submit(&job).await;
    assert_eq!(ending(&world.outcome().await.manifest), "failed:INPUT_GONE");
    assert_eq!((server.paid(), world.gateway.state().notes.len()), (0, 0));
    worker.stop().await;
}
