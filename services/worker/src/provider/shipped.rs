//! What the shipped catalogue offers, against what its adapters send: every setting that a model accepts reaches its
//! provider.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;

use image::RgbImage;
use imagioo_picture::{Background, Format, Margins, Operation, Settings, Size};
use imagioo_runtime::Settings as Configuration;
use imagioo_testkit::web::{Asked, Reply, WebServer};
use imagioo_types::{Clock, Prompt, Screened, SystemClock, Wording};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Call, Options, Picture, Provider};
use crate::progress::Progress;
use crate::registry::Registry;
use crate::{Config, DEFAULTS};

const CATALOGUE: &str = include_str!("../../../../deploy/config/catalogue.toml");
const GRAPH: &str = include_str!("../../../../deploy/config/comfyui/text-to-image.json");

/// Tasks that an account at Black Forest Labs may have at once, by its documentation.
const BFL_TASKS: u32 = 24;

#[derive(Deserialize)]
struct Catalogue {
    models: Vec<Model>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Model {
    id: String,
    operations: Vec<Operation>,
    sizes: Vec<String>,
    aspect_ratios: Vec<String>,
    resolutions: Vec<String>,
    qualities: Vec<String>,
    formats: Vec<Format>,
    backgrounds: Vec<Background>,
    max_count: u32,
    max_references: usize,
    upscale_factors: Vec<u32>,
    seed: bool,
    negative_prompt: bool,
    compression: bool,
    guidance: Option<Bounds>,
    steps: Option<Bounds>,
    strength: Option<Bounds>,
    without: BTreeMap<Operation, Vec<String>>,
    deployments: Vec<Deployment>,
}

#[derive(Deserialize, Clone, Copy)]
struct Bounds {
    min: f64,
    max: f64,
}

#[derive(Deserialize)]
struct Deployment {
    id: String,
    provider: String,
    provider_model: String,
    #[serde(default)]
    endpoint: String,
    #[serde(default)]
    endpoints: BTreeMap<Operation, String>,
    #[serde(default)]
    options: Options,
    concurrency: u32,
}

fn catalogue() -> Vec<Model> {
    let catalogue: Catalogue = toml::from_str(CATALOGUE).expect("a catalogue");
    catalogue.models
}

/// A call with every default, as the gateway fills them in.
fn call(model: &Model, deployment: &Deployment, operation: Operation) -> Call {
    let picture = picture();
    let fresh = operation == Operation::TextToImage;
    let has = |setting: &str| !model.lacks(operation, setting);
    let size = model.sizes.first().filter(|_| fresh).map(|size| size.parse::<Size>().expect("a size"));
    let mut options = deployment.options.clone();
    if options.remove("graph_file").is_some() {
        options.insert("graph".to_owned(), serde_json::from_str(GRAPH).expect("a graph"));
    }
    Call {
        key: "k".to_owned(),
        model: deployment.provider_model.clone(),
        endpoint: deployment.endpoints.get(&operation).unwrap_or(&deployment.endpoint).clone(),
        options: Arc::new(options),
        operation,
        prompt: words(""),
        settings: Settings {
            size,
            aspect_ratio: model.aspect_ratios.first().filter(|_| fresh && size.is_none()).cloned(),
            resolution: model
                .resolutions
                .first()
                .filter(|_| size.is_none() && !operation.keeps_size() && has("resolution"))
                .cloned(),
            quality: model.qualities.first().filter(|_| has("quality")).cloned(),
            format: model.formats.first().copied(),
            seed: (model.seed && has("seed")).then_some(5),
            margins: (operation == Operation::Outpaint).then(|| Margins { left: 16, ..Margins::default() }),
            upscale_factor: model
                .upscale_factors
                .first()
                .filter(|_| operation == Operation::Upscale)
                .copied(),
            ..Settings::default()
        },
        references: if fresh { Vec::new() } else { vec![picture.clone()] },
        mask: (operation == Operation::Inpaint).then_some(picture),
        first: 0,
        count: 1,
    }
}

fn words(negative: &str) -> Screened {
    let prompt = Prompt::parse("a fox".to_owned()).expect("a prompt");
    let negative = Prompt::parse(negative.to_owned()).ok();
    Screened::allowed_by("off", Wording { prompt: Some(prompt), negative })
}

fn picture() -> Picture {
    let mut file = Cursor::new(Vec::new());
    RgbImage::new(64, 48).write_to(&mut file, image::ImageFormat::Png).expect("encodes");
    Picture { file: file.into_inner().into(), format: Format::Png, size: Size { width: 64, height: 48 } }
}

impl Model {
    fn lacks(&self, operation: Operation, setting: &str) -> bool {
        let named =
            self.without.get(&operation).is_some_and(|names| names.iter().any(|name| name == setting));
        named || (setting == "strength" && operation == Operation::TextToImage)
    }

    /// Calls that wish for something, each beside the same call without that wish. What has but one choice is none.
    fn wishes(&self, base: &Call) -> Vec<(&'static str, Call, Call)> {
        let operation = base.operation;
        let shaped = !operation.keeps_size();
        let with = |change: &dyn Fn(&mut Call)| {
            let mut call = base.clone();
            change(&mut call);
            call
        };
        let mut wishes = Vec::new();
        let mut wish = |name: &'static str, is_offered: bool, change: &dyn Fn(&mut Call)| {
            if is_offered && !self.lacks(operation, name) {
                wishes.push((name, base.clone(), with(change)));
            }
        };
        let second = |all: &[String]| all.get(1).cloned();
        let size = second(&self.sizes).map(|size| size.parse::<Size>().expect("a size"));
        wish("size", shaped && size.is_some(), &|call| call.settings.size = size);
        let ratio = second(&self.aspect_ratios);
        wish("aspect_ratio", shaped && ratio.is_some(), &|call| {
            call.settings = Settings { size: None, aspect_ratio: ratio.clone(), ..call.settings.clone() };
        });
        let resolution = second(&self.resolutions);
        wish("resolution", shaped && resolution.is_some(), &|call| {
            call.settings = Settings { size: None, resolution: resolution.clone(), ..call.settings.clone() };
        });
        let quality = second(&self.qualities);
        wish("quality", quality.is_some(), &|call| call.settings.quality.clone_from(&quality));
        let format = self.formats.get(1).copied();
        wish("format", format.is_some(), &|call| call.settings.format = format);
        let clear = self.backgrounds.last().copied();
        wish("background", clear.is_some(), &|call| call.settings.background = clear);
        let factor = self.upscale_factors.get(1).copied();
        wish("upscale_factor", operation == Operation::Upscale && factor.is_some(), &|call| {
            call.settings.upscale_factor = factor;
        });
        wish("seed", self.seed, &|call| call.settings.seed = Some(11));
        wish("negative_prompt", self.negative_prompt, &|call| call.prompt = words("a dog"));
        let middle =
            |bounds: Option<Bounds>| bounds.map(|bounds| f64::midpoint(bounds.min, bounds.max).round());
        wish("guidance", self.guidance.is_some(), &|call| call.settings.guidance = middle(self.guidance));
        wish("steps", self.steps.is_some(), &|call| {
            call.settings.steps = middle(self.steps).map(|steps| steps as u32);
        });
        wish("strength", self.strength.is_some(), &|call| call.settings.strength = Some(0.25));
        wish("references", operation.takes_several() && self.max_references > 1, &|call| {
            call.references.push(picture());
        });
        if self.compression && self.formats.contains(&Format::Jpeg) && !self.lacks(operation, "compression") {
            let jpeg = with(&|call| call.settings.format = Some(Format::Jpeg));
            let mut packed = jpeg.clone();
            packed.settings.compression = Some(50);
            wishes.push(("compression", jpeg, packed));
        }
        wishes
    }
}

/// Every account of the catalogue, at one server.
fn registry(server: &WebServer) -> Registry {
    let kinds = ["openai", "gemini", "bfl", "fal", "replicate", "stability", "comfyui", "automatic1111"];
    let accounts = kinds.map(|kind| (kind, kind)).into_iter().chain([("local", "openai")]);
    let accounts = accounts.map(|(name, kind)| {
        let account = [("kind".to_owned(), kind.into()), ("base_url".to_owned(), server.url("").into())];
        (name.to_owned(), toml::Value::from(toml::Table::from_iter(account)))
    });
    let overrides =
        toml::Table::from_iter([("providers".to_owned(), accounts.collect::<toml::Table>().into())]);
    let settings = Configuration::from_parts("worker", DEFAULTS, overrides).expect("well formed");
    let config: Config = settings.read().expect("complete");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Registry::from_config(&config, &clock).expect("a good configuration")
}

/// What a provider is sent for a call: paths, fields and files. The server refuses everything, so that nothing follows.
async fn sent(provider: &dyn Provider, server: &WebServer, call: &Call) -> Result<Vec<Value>, String> {
    server.asked().clear();
    let refused = provider.submit(call, &Progress::default()).await.err().expect("the server refuses all");
    let asked = server.asked();
    let posted: Vec<_> = asked.iter().filter(|asked| asked.method == "POST").map(shape).collect();
    if posted.is_empty() { Err(format!("{refused:?}")) } else { Ok(posted) }
}

fn shape(asked: &Asked) -> Value {
    let parts = asked.parts().into_iter().map(|part| json!([part.name, part.body]));
    json!([asked.path, asked.json(), parts.collect::<Vec<_>>()])
}

#[tokio::test]
async fn every_setting_that_a_shipped_model_accepts_reaches_its_provider() {
    let server = WebServer::start(|_| Reply::json(400, "{}")).await;
    let registry = registry(&server);
    let mut checked = 0;
    for model in catalogue().iter().filter(|model| model.id != "sketch") {
        for deployment in &model.deployments {
            let provider = registry.get(&deployment.provider).expect("an account");
            for operation in &model.operations {
                let base = call(model, deployment, *operation);
                for (name, without, with) in model.wishes(&base) {
                    let place = format!("{name} of {} at {}", operation.as_str(), deployment.id);
                    let without = sent(provider, &server, &without).await.expect(&place);
                    let with = sent(provider, &server, &with).await.expect(&place);
                    assert_ne!(with, without, "{place} is accepted and does not reach the provider");
                    checked += 1;
                }
                let several = Call { count: 2, ..base.clone() };
                if model.max_count > 1 && provider.images_per_call(&base.options) > 1 {
                    let one = sent(provider, &server, &base).await.expect("sent");
                    let two = sent(provider, &server, &several).await.expect("sent");
                    assert_ne!(one, two, "count at {}", deployment.id);
                }
            }
        }
    }
    assert!(checked > 200, "{checked}");
}

/// A provider's own limit is one for its account, whatever the model.
#[test]
fn the_deployments_at_black_forest_labs_share_what_an_account_may_have_at_once() {
    let models = catalogue();
    let all = models.iter().flat_map(|model| &model.deployments);
    let concurrency: u32 =
        all.filter(|deployment| deployment.provider == "bfl").map(|deployment| deployment.concurrency).sum();
    assert!(concurrency <= BFL_TASKS, "{concurrency}");
}
