//! Where images are saved.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use imagioo_proto::generation::v1::{Image, ImageFormat};
use imagioo_types::GenerationId;

use crate::failure::Failure;

const CHOOSE: &str = "choose another `--output`, or replace files with `--force`";

/// Where the person wants the images of one generation.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    output: Option<PathBuf>,
    /// Whether the generation has more than one image.
    several: bool,
}

impl Destination {
    /// `output` is a file, an existing folder, or nothing for the working folder.
    pub(crate) fn new(output: Option<PathBuf>, several: bool) -> Self {
        Self { output, several }
    }

    /// The place of one image: the named file, with `-1`, `-2`… after its stem if there are several; in a folder
    /// `<generation>-<index>.<format>`.
    ///
    /// # Errors
    /// [`Failure::Incomplete`] for an image whose names could lead elsewhere.
    pub(crate) fn place(&self, image: &Image) -> Result<PathBuf, Failure> {
        let generation = GenerationId::from_name(&image.generation);
        let generation = generation.map_err(|_| Failure::Incomplete("the name of an image's generation"))?;
        let name = format!("{generation}-{}.{}", image.index, extension(image.format()));
        Ok(match &self.output {
            None => PathBuf::from(name),
            Some(folder) if is_folder(folder) => folder.join(name),
            Some(file) => self.numbered(file, image.index),
        })
    }

    /// Refuses, before anything is paid for, what could not be saved. `count` images are expected.
    ///
    /// # Errors
    /// [`Failure::Usage`] for a missing folder, and for files that exist unless `force`.
    pub(crate) fn check(&self, count: i32, force: bool) -> Result<(), Failure> {
        let Some(output) = &self.output else { return Ok(()) };
        let folder = if is_folder(output) { output } else { folder_of(output) };
        if !folder.is_dir() {
            return Err(Failure::usage(
                format!("there is no folder {}", folder.display()),
                "create it first",
            ));
        }
        if is_folder(output) || force {
            return Ok(());
        }
        let taken =
            (0..count).map(|index| self.numbered(output, index)).find(|path| path.symlink_metadata().is_ok());
        taken.map_or(Ok(()), |path| Err(exists(&path)))
    }

    fn numbered(&self, file: &Path, index: i32) -> PathBuf {
        if !self.several {
            return file.to_owned();
        }
        let mut name = file.file_stem().map(OsString::from).unwrap_or_default();
        name.push(format!("-{}", index + 1));
        if let Some(extension) = file.extension() {
            name.push(".");
            name.push(extension);
        }
        file.with_file_name(name)
    }
}

/// The refusal to overwrite a file.
pub(crate) fn exists(path: &Path) -> Failure {
    Failure::usage(format!("{} exists", path.display()), CHOOSE)
}

/// The folder of a file.
pub(crate) fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// The format that a file's name promises.
pub(crate) fn promised_format(file: &Path) -> Option<ImageFormat> {
    match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "png" => Some(ImageFormat::Png),
        "jpg" | "jpeg" => Some(ImageFormat::Jpeg),
        "webp" => Some(ImageFormat::Webp),
        _ => None,
    }
}

fn is_folder(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/") || path.is_dir()
}

fn extension(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "png",
        ImageFormat::Jpeg => "jpg",
        ImageFormat::Webp => "webp",
        ImageFormat::Unspecified => "image",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(index: i32) -> Image {
        let id = GenerationId::from_uuid(uuid::Uuid::from_u128(7));
        Image { generation: id.name(), index, format: ImageFormat::Jpeg.into(), ..Image::default() }
    }

    fn place(output: Option<&str>, several: bool, index: i32) -> PathBuf {
        Destination::new(output.map(PathBuf::from), several).place(&image(index)).expect("a place")
    }

    #[test]
    fn one_image_gets_the_named_file_and_several_are_numbered() {
        assert_eq!(place(Some("out/fox.png"), false, 0), Path::new("out/fox.png"));
        assert_eq!(place(Some("out/fox.png"), true, 0), Path::new("out/fox-1.png"));
        assert_eq!(place(Some("red.fox.png"), true, 1), Path::new("red.fox-2.png"));
        assert_eq!(place(Some("fox"), true, 9), Path::new("fox-10"));
    }

    #[test]
    fn without_a_file_name_the_generation_names_the_file() {
        let name = "gen_00000000000000000000000000000007-1.jpg";
        assert_eq!(place(None, true, 1), Path::new(name));
        assert_eq!(place(Some("new/"), true, 1), Path::new("new").join(name));
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(place(folder.path().to_str(), false, 1), folder.path().join(name));
    }

    #[test]
    fn a_server_cannot_choose_the_folder() {
        let image = Image { generation: "generations/../../etc/passwd".to_owned(), ..image(0) };
        assert!(Destination::new(None, false).place(&image).is_err());
    }

    #[test]
    fn what_could_not_be_saved_is_refused_beforehand() {
        let folder = tempfile::tempdir().expect("a folder");
        let fox = folder.path().join("fox.png");
        let several = Destination::new(Some(fox.clone()), true);
        assert!(several.check(3, false).is_ok());
        std::fs::write(folder.path().join("fox-3.png"), b"taken").expect("written");
        assert!(several.check(2, false).is_ok());
        assert!(matches!(several.check(3, false), Err(Failure::Usage { .. })));
        assert!(several.check(3, true).is_ok());
        assert!(Destination::new(Some(fox.join("x.png")), false).check(1, false).is_err());
    }

    #[test]
    fn a_file_name_may_promise_a_format() {
        assert_eq!(promised_format(Path::new("a.JPG")), Some(ImageFormat::Jpeg));
        assert_eq!(promised_format(Path::new("a.webp")), Some(ImageFormat::Webp));
        assert_eq!(promised_format(Path::new("a.gif")), None);
        assert_eq!(promised_format(Path::new("png")), None);
    }
}
