-- Pictures to start from, and where a generation comes from.
alter table generation.generations
    add column negative_prompt text not null default '',
    -- In the order of the request: role, image, object key, format, width, height. Kept beside the row, so that a start
    -- reads them with it.
    add column inputs jsonb not null default '[]',
    add column parent uuid,
    -- The first of its kind; its own id unless it was derived.
    add column root uuid;
create index generations_versions on generation.generations (owner, root, id desc) where root is not null;

-- Uploads are images, too, without a generation.
alter table generation.images
    alter column generation drop not null,
    add column origin text not null default 'generation' check (origin in ('generation', 'upload')),
    add constraint images_origin check ((origin = 'generation') = (generation is not null));
-- The same file uploaded twice is one image.
create unique index images_uploads on generation.images (owner, sha256) where origin = 'upload';
