-- The file of a delivered image, sent back as a picture to start from, is found as that image.
create index images_files on generation.images (owner, sha256);
