//! What is the server's own fault when a graph does not run.

use serde_json::Value;

use crate::provider::{CallError, Charged};
use crate::reason::Reason;

/// Complaints about a graph that no value in one of its places can cause: a node that is not installed, a link that is none,
/// a file that is not in the server's list.
const OF_THE_GRAPH: [&str; 6] = [
    "missing_node_type",
    "value_not_in_list",
    "required_input_missing",
    "bad_linked_input",
    "return_type_mismatch",
    "prompt_no_outputs",
];

/// Exceptions of a node, by the last part of their names, that are about the server's files and code.
const OF_THE_SERVER: [&str; 6] = [
    "FileNotFoundError",
    "ModuleNotFoundError",
    "ImportError",
    "SafetensorError",
    "PermissionError",
    "AcceleratorError",
];

/// How torch begins when the device is not well. Too little memory is not among that: it follows from the size.
const DEVICE: [&str; 2] = ["CUDA error", "HIP error"];

/// A failure of the server, for which nothing is charged.
pub(super) fn broken() -> CallError {
    CallError::retry(Reason::ProviderUnavailable, Charged::No)
}

/// Whether a complaint about a graph, or one of those about its nodes, is about what the operator wrote.
pub(super) fn is_of_the_graph(complaint: &Value) -> bool {
    let nodes = complaint.get("node_errors").and_then(Value::as_object).into_iter().flatten();
    let errors = nodes.filter_map(|(_, node)| node.get("errors")?.as_array()).flatten();
    let all = complaint.get("error").into_iter().chain(errors);
    all.filter_map(|error| error.get("type")?.as_str()).any(|kind| OF_THE_GRAPH.contains(&kind))
}

/// Whether an exception, as an `execution_error` tells it, is the server's.
pub(super) fn is_of_the_server(exception: &Value) -> bool {
    let text = |name: &str| exception.get(name).and_then(Value::as_str).unwrap_or_default();
    let name = text("exception_type").rsplit('.').next().unwrap_or_default();
    let message = text("exception_message").trim_start();
    OF_THE_SERVER.contains(&name) || DEVICE.iter().any(|device| message.starts_with(device))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_no_request_can_cause_is_the_servers() {
        for (kind, message, expected) in [
            ("FileNotFoundError", "[Errno 2] No such file or directory: 'models/a'", true),
            ("safetensors_rust.SafetensorError", "Error while deserializing header", true),
            ("ModuleNotFoundError", "No module named 'xformers'", true),
            ("RuntimeError", "CUDA error: no kernel image is available", true),
            ("torch.OutOfMemoryError", "Allocation on device", false),
            ("torch.cuda.OutOfMemoryError", "CUDA out of memory.", false),
            ("RuntimeError", "Sizes of tensors must match", false),
            ("ValueError", "a prompt with CUDA error in it", false),
        ] {
            let exception = json!({ "exception_type": kind, "exception_message": message });
            assert_eq!(is_of_the_server(&exception), expected, "{kind}: {message}");
        }
        let complaint = |kind: &str, node: &str| {
            let errors = json!([{ "type": node, "message": "m" }]);
            json!({ "error": { "type": kind }, "node_errors": { "3": { "errors": errors } } })
        };
        for (kind, node, expected) in [
            ("missing_node_type", "", true),
            ("prompt_outputs_failed_validation", "value_not_in_list", true),
            ("prompt_outputs_failed_validation", "value_bigger_than_max", false),
            ("prompt_outputs_failed_validation", "custom_validation_failed", false),
        ] {
            assert_eq!(is_of_the_graph(&complaint(kind, node)), expected, "{kind} {node}");
        }
        assert!(!is_of_the_graph(&json!({})));
    }
}
