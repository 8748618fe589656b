//! Every byte between imagioo's processes: messages, gRPC clients and servers, and validation rules.
//!
//! The modules mirror the protobuf packages. The `.proto` files beside this crate are the documentation.
#![expect(missing_docs, reason = "generated code is documented in the .proto files")]
#![expect(clippy::all, clippy::allow_attributes, reason = "generated code follows its generator's style")]

mod redacted;

pub use prost_protovalidate::{Validate, ValidationError, Violation};

pub mod account {
    pub mod v1 {
        tonic::include_proto!("imagioo.account.v1");
    }
}

pub mod billing {
    pub mod v1 {
        tonic::include_proto!("imagioo.billing.v1");
    }
}

pub mod generation {
    pub mod v1 {
        tonic::include_proto!("imagioo.generation.v1");
    }
}

pub mod jobs {
    pub mod v1 {
        tonic::include_proto!("imagioo.jobs.v1");
    }
}

pub mod queue {
    pub mod v1 {
        tonic::include_proto!("imagioo.queue.v1");
    }
}

/// The encoded descriptor set of every package, for server reflection.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));

#[expect(unused_parens, reason = "generated around numbers")]
mod rules {
    use crate as imagioo;

    include!(concat!(env!("OUT_DIR"), "/validate_impl.rs"));
}
