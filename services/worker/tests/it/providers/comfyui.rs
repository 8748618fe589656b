//! ComfyUI, after its `server.py`.

use imagioo_picture::Operation;
use imagioo_testkit::web::{Asked, Reply};
use imagioo_worker::job::Job;
use serde_json::{Value, json};

use crate::conformance::{Fault, Good, Step, Trial, Wire, conformance};
use crate::harness::{World, ending, job_at, picture, taken_over};
use crate::pictures::kept;

const GRAPH: &str = include_str!("../../../../../deploy/config/comfyui/text-to-image.json");

#[derive(Default)]
struct ComfyUi {
    polls: u32,
}

fn id_in(path: &str) -> &str {
    path.trim_start_matches("/history/")
}

impl Wire for ComfyUi {
    const KIND: &'static str = "comfyui";
    const OWN_KEYS: bool = false;
    const BASE: &'static str = "";
    const LINKS: bool = false;
    const CHECK: (&'static str, u16) = ("/system_stats", 200);
    const TASK: Option<&'static str> = Some("00000000-0000-8000-8000-000000000001");
    const REPEATABLE: bool = true;

    fn step(&self, asked: &Asked) -> Step {
        match asked.path.as_str() {
            "/prompt" => Step::Submit,
            "/queue" => Step::Poll,
            _ => Step::Other,
        }
    }

    fn good(&mut self, asked: &Asked, good: &Good<'_>) -> Reply {
        assert_eq!(asked.header("authorization"), Some("Bearer test-key"));
        let body = match asked.path.as_str() {
            "/prompt" => {
                let id = asked.json()["prompt_id"].clone();
                self.polls = 0;
                json!({ "prompt_id": id, "number": 1, "node_errors": {} })
            }
            "/queue" => {
                self.polls += 1;
                json!({ "queue_running": [], "queue_pending": [] })
            }
            "/upload/image" => json!({ "name": "a.png", "subfolder": "imagioo", "type": "input" }),
            path if path.starts_with("/history/") => json!({ id_in(path): {
                "outputs": { "9": { "images": [{ "filename": "f 1.png", "subfolder": "", "type": "output" }] } },
                "status": { "status_str": "success", "completed": true, "messages": [] } } }),
            "/view?filename=f+1.png&subfolder=&type=output" => return Reply::file("image/png", good.file),
            _ => return Reply::unknown(),
        };
        Reply::json(200, &body.to_string())
    }

    fn prepare(job: &mut Job) {
        let graph: Value = serde_json::from_str(GRAPH).expect("JSON");
        let options = json!({ "graph": graph });
        job.deployment.options = std::sync::Arc::new(options.as_object().expect("options").clone());
    }
}

conformance!(ComfyUi, refuses nothing);

fn prepared() -> Job {
    let mut job = job_at("provider", 1);
    ComfyUi::prepare(&mut job);
    job
}

#[tokio::test]
async fn the_shipped_graph_is_filled_and_nothing_else_of_it_changes() {
    let mut world = World::new().await;
    let verdict = Trial::default().run_job::<ComfyUi>(&mut world, prepared()).await;
    assert_eq!(ending(&verdict.manifest), "complete");
    let sent = verdict.asked.iter().find(|(step, _)| *step == Step::Submit).expect("a submit").1.json();
    let texts = sent["prompt"].to_string();
    assert!(texts.contains("a red fox under a full moon") && !texts.contains("{{"), "{texts}");
    let shipped: Value = serde_json::from_str(GRAPH).expect("JSON");
    let kinds = |graph: &Value| -> Vec<(String, String)> {
        let nodes = graph.as_object().expect("nodes").iter();
        nodes
            .map(|(id, node)| (id.clone(), node["class_type"].as_str().expect("a class").to_owned()))
            .collect()
    };
    assert_eq!(kinds(&sent["prompt"]), kinds(&shipped));
}

#[tokio::test]
async fn pictures_are_uploaded_and_named_in_the_graph() {
    let mut world = World::new().await;
    let mut job = job_at("provider", 1);
    job.operation = Operation::ImageToImage;
    let graph = json!({ "1": { "class_type": "LoadImage", "inputs": { "image": "{{image}}" } } });
    job.deployment.options =
        std::sync::Arc::new(json!({ "graph": graph }).as_object().expect("options").clone());
    job.references = vec![kept(&world, &job, &picture(1)).await];
    let verdict = Trial::default().run_job::<ComfyUi>(&mut world, job).await;
    assert_eq!(ending(&verdict.manifest), "complete");
    let upload = &verdict.asked[0].1;
    assert_eq!(upload.part("image").expect("a file").body, picture(1));
    assert_eq!(verdict.asked[1].1.json()["prompt"]["1"]["inputs"]["image"], "imagioo/a.png");
}

#[tokio::test]
async fn every_end_but_a_good_one_is_a_failure() {
    let history = |status: Value| {
        let entry = json!({ "outputs": {}, "status": status });
        Reply::json(200, &json!({ ComfyUi::TASK.expect("a task"): entry }).to_string())
    };
    let error = json!({ "status_str": "error", "messages": [["execution_error", {}]] });
    let stopped = json!({ "status_str": "error", "messages": [["execution_interrupted", {}]] });
    let cases = [
        (history(error), "failed:PROVIDER_REJECTED"),
        (history(stopped), "retry:PROVIDER_UNAVAILABLE:no"),
        (history(json!({ "status_str": "success" })), "retry:PROVIDER_FEWER_IMAGES:unknown"),
        (Reply::json(200, "{}"), "retry:PROVIDER_UNAVAILABLE:no"),
    ];
    for (reply, expected) in cases {
        let trial = Trial {
            fault: Some(Fault::always(Step::Other, reply)),
            accepted_before: true,
            ..Trial::default()
        };
        assert_eq!(ending(&trial.run::<ComfyUi>().await.manifest), expected);
    }
    let errors = r#"{"prompt_id":"a","number":1,"node_errors":{"3":{"errors":[{"type":"x"}]}}}"#;
    let fault = Fault::always(Step::Submit, Reply::json(200, errors));
    let verdict = Trial { fault: Some(fault), ..Trial::default() }.run::<ComfyUi>().await;
    assert_eq!(ending(&verdict.manifest), "failed:PROVIDER_REJECTED");
}

/// The id is ours: a worker that takes over finds the call, although nobody noted it.
#[tokio::test]
async fn r42_a_call_whose_acceptance_was_lost_is_found_by_its_key() {
    let mut world = World::new().await;
    let verdict =
        Trial::default().run_job::<ComfyUi>(&mut world, taken_over(&prepared(), &[(0, None)])).await;
    assert_eq!((ending(&verdict.manifest).as_str(), verdict.count(Step::Submit)), ("complete", 0));
}
