//! Saving images: resumed after a break, checked against the promised hash, never over another file by accident.

use std::fs::{File, Permissions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use imagioo_proto::generation::v1::image_service_client::ImageServiceClient;
use imagioo_proto::generation::v1::{DownloadImageRequest, Image, download_image_response::Part};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::backoff::Backoff;
use crate::client::Client;
use crate::failure::Failure;
use crate::paths::{Destination, exists, folder_of};
use crate::progress::Progress;

const BLOCK: usize = 64 * 1024;

/// How images are saved.
#[derive(Debug)]
pub(crate) struct Saving<'a> {
    pub(crate) destination: Destination,
    /// Whether files may be replaced.
    pub(crate) force: bool,
    pub(crate) progress: &'a Progress,
}

impl Saving<'_> {
    /// Saves every image and answers where, in the same order.
    ///
    /// # Errors
    /// The first [`Failure`]; the images before it stay saved.
    pub(crate) async fn all(&self, client: &Client, images: &[Image]) -> Result<Vec<PathBuf>, Failure> {
        let mut places = Vec::with_capacity(images.len());
        for (number, image) in (1..).zip(images) {
            self.progress.saving(number, images.len());
            let place = self.destination.place(image)?;
            self.one(client, image, &place).await?;
            self.progress.saved(&place);
            places.push(place);
        }
        Ok(places)
    }

    async fn one(&self, client: &Client, image: &Image, place: &Path) -> Result<(), Failure> {
        if !self.force && place.symlink_metadata().is_ok() {
            return same_or_exists(place, image);
        }
        let mut partial = Partial::beside(place)?;
        self.fetch(client, image, &mut partial).await?;
        partial.finish(image, place, self.force)
    }

    async fn fetch(&self, client: &Client, image: &Image, partial: &mut Partial) -> Result<(), Failure> {
        let mut backoff = Backoff::for_call();
        loop {
            let before = partial.written;
            match self.receive(client, image, partial).await {
                Err(failure) if failure.is_transient() => {
                    if partial.written > before {
                        backoff.reset();
                    }
                    if !backoff.pause().await {
                        return Err(failure);
                    }
                }
                outcome => return outcome,
            }
        }
    }

    /// Receives what is missing over one connection.
    async fn receive(&self, client: &Client, image: &Image, partial: &mut Partial) -> Result<(), Failure> {
        let size = u64::try_from(image.size_bytes).unwrap_or_default();
        let offset = i64::try_from(partial.written).unwrap_or(i64::MAX);
        let message = DownloadImageRequest { name: image.name.clone(), offset };
        let mut parts = client
            .call(message, async |channel, request| {
                ImageServiceClient::new(channel).download_image(request).await
            })
            .await?;
        while let Some(part) = parts.message().await.map_err(|status| client.failure(status))? {
            let Some(Part::Data(data)) = part.part else { continue };
            if partial.written + data.len() as u64 > size {
                return Err(Failure::Damaged(image.name.clone()));
            }
            partial.append(&data)?;
            self.progress.arrived(partial.written, size);
        }
        Ok(())
    }
}

/// A file that is not whole yet; it vanishes unless it is finished.
struct Partial {
    file: NamedTempFile,
    hash: Sha256,
    written: u64,
}

impl Partial {
    fn beside(place: &Path) -> Result<Self, Failure> {
        let folder = folder_of(place);
        // As with any new file, the person's umask decides who may read it.
        let file = tempfile::Builder::new()
            .prefix(".imagioo-")
            .suffix(".part")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .map_err(|source| Failure::File { doing: "create a file in", path: folder.to_owned(), source })?;
        Ok(Self { file, hash: Sha256::new(), written: 0 })
    }

    fn append(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.file.write_all(data).map_err(|source| unwritable(self.file.path(), source))?;
        self.hash.update(data);
        self.written += data.len() as u64;
        Ok(())
    }

    /// Puts the whole file into its place.
    fn finish(self, image: &Image, place: &Path, force: bool) -> Result<(), Failure> {
        if self.hash.finalize().as_slice() != &image.sha256[..] {
            return Err(Failure::Damaged(image.name.clone()));
        }
        self.file.as_file().sync_all().map_err(|source| unwritable(place, source))?;
        let placed = if force { self.file.persist(place) } else { self.file.persist_noclobber(place) };
        match placed {
            Ok(_) => Ok(()),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => same_or_exists(place, image),
            Err(error) => Err(unwritable(place, error.error)),
        }
    }
}

/// A file that holds this very image is as good as saved; any other is left alone.
fn same_or_exists(place: &Path, image: &Image) -> Result<(), Failure> {
    let is_file = place.metadata().is_ok_and(|metadata| metadata.is_file());
    if is_file && hash_of(place).is_ok_and(|hash| hash == image.sha256[..]) {
        return Ok(());
    }
    Err(exists(place))
}

fn hash_of(file: &Path) -> io::Result<Vec<u8>> {
    let mut reader = BufReader::with_capacity(BLOCK, File::open(file)?);
    let mut hash = Sha256::new();
    loop {
        let block = reader.fill_buf()?;
        if block.is_empty() {
            return Ok(hash.finalize().to_vec());
        }
        hash.update(block);
        let length = block.len();
        reader.consume(length);
    }
}

fn unwritable(path: &Path, source: io::Error) -> Failure {
    Failure::File { doing: "write", path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures::{StreamExt as _, stream};
    use imagioo_proto::generation::v1 as wire;
    use imagioo_types::GenerationId;
    use tonic::Status;

    use super::*;
    use crate::client::fake::Fake;
    use crate::output::Output;

    fn image(content: &[u8]) -> Image {
        Image {
            name: "images/img_1".to_owned(),
            size_bytes: content.len() as i64,
            sha256: Sha256::digest(content).to_vec().into(),
            ..Image::default()
        }
    }

    fn received(place: &Path, content: &[u8]) -> Partial {
        let mut partial = Partial::beside(place).expect("a file");
        for chunk in content.chunks(3) {
            partial.append(chunk).expect("written");
        }
        partial
    }

    fn files(folder: &Path) -> usize {
        std::fs::read_dir(folder).expect("a folder").count()
    }

    #[test]
    fn a_whole_file_appears_at_once_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("fox.png");
        let partial = received(&place, b"a red fox");
        assert!(!place.exists());
        partial.finish(&image(b"a red fox"), &place, false).expect("saved");
        assert_eq!(std::fs::read(&place).expect("read"), b"a red fox");
        assert_eq!(files(folder.path()), 1);
    }

    #[test]
    fn a_damaged_file_is_not_saved() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("fox.png");
        let outcome = received(&place, b"a red cat").finish(&image(b"a red fox"), &place, true);
        assert!(matches!(outcome, Err(Failure::Damaged(_))));
        assert_eq!(files(folder.path()), 0);
    }

    #[test]
    fn another_file_is_replaced_only_by_force() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("fox.png");
        std::fs::write(&place, b"mine").expect("written");
        let refused = received(&place, b"a red fox").finish(&image(b"a red fox"), &place, false);
        assert!(matches!(refused, Err(Failure::Usage { .. })));
        assert_eq!(std::fs::read(&place).expect("read"), b"mine");
        received(&place, b"a red fox").finish(&image(b"a red fox"), &place, true).expect("saved");
        assert_eq!(std::fs::read(&place).expect("read"), b"a red fox");
    }

    #[test]
    fn saving_the_same_image_again_is_no_conflict() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("fox.png");
        std::fs::write(&place, b"a red fox").expect("written");
        assert!(same_or_exists(&place, &image(b"a red fox")).is_ok());
        assert!(same_or_exists(folder.path(), &image(b"a red fox")).is_err());
    }

    #[tokio::test]
    async fn a_broken_download_goes_on_where_it_stopped() {
        let offsets = Arc::new(Mutex::new(Vec::new()));
        let asked = Arc::clone(&offsets);
        let data = |text: &str| wire::DownloadImageResponse {
            part: Some(Part::Data(text.as_bytes().to_vec().into())),
        };
        let fake = Fake {
            download: Some(Arc::new(move |request: DownloadImageRequest| {
                asked.lock().expect("unpoisoned").push(request.offset);
                match request.offset {
                    0 => stream::iter([Ok(data("a red")), Err(Status::unavailable("stopping"))]).boxed(),
                    _ => stream::iter([Ok(data(" fox"))]).boxed(),
                }
            })),
            ..Fake::default()
        };
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("fox.png");
        let image = Image { generation: GenerationId::generate().name(), ..image(b"a red fox") };
        let progress = Progress::new(Output::new(true));
        let destination = Destination::new(Some(place.clone()), false);
        let saving = Saving { destination, force: false, progress: &progress };
        let places = saving.all(&fake.start().await, &[image]).await.expect("saved");
        assert_eq!(places, std::slice::from_ref(&place));
        assert_eq!(std::fs::read(&place).expect("read"), b"a red fox");
        assert_eq!(*offsets.lock().expect("unpoisoned"), [0, 5]);
    }
}
