//! What a server tells about its services by reflection: their own descriptors and what these import, nothing of others.

use std::collections::HashSet;

use prost::Message;
use prost_types::FileDescriptorProto;
use tonic::service::Routes;
use tonic_reflection::server::{Builder, Error};

/// What every server tells about besides: whether it is well, and reflection itself.
const ALWAYS: [&str; 2] = ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"];

/// The package of the details of errors, which no file imports and every client may meet.
const DETAILS: &str = "google.rpc";

/// The descriptors that are compiled in.
pub(crate) struct Descriptors(Vec<File>);

/// One descriptor: read, and as it was written, since reading loses the rules in it.
struct File {
    read: FileDescriptorProto,
    written: Vec<u8>,
}

/// `google.protobuf.FileDescriptorSet` with files that are not read.
#[derive(Clone, PartialEq, Message)]
struct Set {
    #[prost(bytes = "vec", repeated, tag = "1")]
    files: Vec<Vec<u8>>,
}

impl Descriptors {
    /// All of imagioo's, those of health and of the details of errors.
    pub(crate) fn compiled_in() -> Result<Self, Error> {
        let mut files = Vec::new();
        let sets = [
            imagioo_proto::DESCRIPTOR_SET,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_types::pb::FILE_DESCRIPTOR_SET,
        ];
        for set in sets {
            for written in Set::decode(set)?.files {
                files.push(File { read: FileDescriptorProto::decode(written.as_slice())?, written });
            }
        }
        Ok(Self(files))
    }

    /// Adds reflection of these services, in both versions that clients speak; without services there is none.
    pub(crate) fn reflect(&self, routes: Routes, services: &[&str]) -> Result<Routes, Error> {
        if services.is_empty() {
            return Ok(routes);
        }
        let services: Vec<&str> = services.iter().copied().chain(ALWAYS).collect();
        let told = self.of(&services);
        let builder = || {
            let builder = Builder::configure().register_encoded_file_descriptor_set(&told);
            services.iter().fold(builder, |builder, service| builder.with_service_name(*service))
        };
        Ok(routes.add_service(builder().build_v1()?).add_service(builder().build_v1alpha()?))
    }

    /// The set of the files that declare these services or details of errors, and of all that they import.
    fn of(&self, services: &[&str]) -> Vec<u8> {
        let declares = |file: &File| {
            let name = |service: &str| format!("{}.{service}", file.read.package());
            file.read.service.iter().any(|service| services.contains(&name(service.name()).as_str()))
        };
        let mut told = HashSet::new();
        let mut next: Vec<&File> =
            self.0.iter().filter(|file| declares(file) || file.read.package() == DETAILS).collect();
        while let Some(file) = next.pop() {
            if told.insert(file.read.name()) {
                let is_imported =
                    |other: &&File| file.read.dependency.iter().any(|name| name == other.read.name());
                next.extend(self.0.iter().filter(is_imported));
            }
        }
        let told = self.0.iter().filter(|file| told.contains(file.read.name()));
        Set { files: told.map(|file| file.written.clone()).collect() }.encode_to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(services: &[&str]) -> Vec<String> {
        let set = Descriptors::compiled_in().expect("descriptors").of(services);
        let files = Set::decode(set.as_slice()).expect("a set").files;
        files
            .iter()
            .map(|file| FileDescriptorProto::decode(file.as_slice()).expect("a file").name().to_owned())
            .collect()
    }

    #[test]
    fn a_service_is_told_about_with_all_that_it_needs_and_its_neighbours_are_not() {
        let told = told(&["imagioo.generation.v1.ModelService"]);
        let has = |name: &str| told.iter().any(|file| file.ends_with(name));
        assert!(has("model_service.proto") && has("model.proto") && has("timestamp.proto"), "{told:?}");
        assert!(has("buf/validate/validate.proto") && has("error_details.proto"), "{told:?}");
        assert!(!has("lease_service.proto") && !has("image_service.proto"), "{told:?}");
    }

    #[test]
    fn a_file_is_told_as_it_was_written_with_its_rules() {
        let descriptors = Descriptors::compiled_in().expect("descriptors");
        let told = descriptors.of(&["imagioo.generation.v1.GenerationService"]);
        let holds = |part: &[u8]| told.windows(part.len()).any(|bytes| bytes == part);
        let file = descriptors.0.iter().find(|file| file.read.name().ends_with("generation_service.proto"));
        assert!(holds(&file.expect("a file").written));
        assert!(told_again(&told) < told.len(), "nothing would be lost by reading: this test is of no use");
    }

    /// The size after reading and writing, which loses what is not known.
    fn told_again(set: &[u8]) -> usize {
        prost_types::FileDescriptorSet::decode(set).expect("a set").encoded_len()
    }

    #[test]
    fn no_services_no_reflection() {
        let descriptors = Descriptors::compiled_in().expect("descriptors");
        assert!(
            !descriptors.reflect(Routes::default(), &[]).expect("routes").into_axum_router().has_routes()
        );
        let some = descriptors.reflect(Routes::default(), &["imagioo.generation.v1.ModelService"]);
        assert!(some.expect("routes").into_axum_router().has_routes());
    }
}
