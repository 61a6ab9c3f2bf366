-- +goose Up

-- One run of one process. last is the highest seq that was appended.
CREATE TABLE streams (
    id     INTEGER PRIMARY KEY,
    source TEXT    NOT NULL,
    epoch  INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    UNIQUE (source, epoch)
);

-- What many events have in common and what questions are about. The key is a
-- hash over the other columns; ids, template_ids and labels are JSON.
CREATE TABLE groups (
    id             INTEGER PRIMARY KEY,
    key            BLOB    NOT NULL UNIQUE,
    class          INTEGER NOT NULL,
    beside_other   INTEGER NOT NULL,
    kind           TEXT    NOT NULL,
    outcome        TEXT    NOT NULL,
    rule           TEXT    NOT NULL,
    ids            TEXT    NOT NULL,
    method         TEXT    NOT NULL,
    subscription   TEXT    NOT NULL,
    resource_group TEXT    NOT NULL,
    resource_type  TEXT    NOT NULL,
    template_ids   TEXT    NOT NULL,
    tool           TEXT    NOT NULL,
    status         INTEGER NOT NULL
);

-- Where events come from. Each build of a pipeline has labels of its own: in the
-- groups they would multiply everything else.
CREATE TABLE origins (
    id      INTEGER PRIMARY KEY,
    key     BLOB    NOT NULL UNIQUE,
    process TEXT    NOT NULL,
    labels  TEXT    NOT NULL
);

-- What many events have in common and what is only shown.
CREATE TABLE contexts (
    id          INTEGER PRIMARY KEY,
    key         BLOB    NOT NULL UNIQUE,
    v           INTEGER NOT NULL,
    reason      TEXT    NOT NULL,
    mode        TEXT    NOT NULL,
    host        TEXT    NOT NULL,
    api_version TEXT    NOT NULL,
    scope       TEXT    NOT NULL,
    ua_in       TEXT    NOT NULL,
    ua_out      TEXT    NOT NULL,
    client      TEXT    NOT NULL,
    error       TEXT    NOT NULL,
    config_hash TEXT    NOT NULL
);

-- id is the stream's id shifted left by 40 bits, and seq. time is in
-- nanoseconds since 1970.
CREATE TABLE events (
    id                INTEGER PRIMARY KEY,
    time              INTEGER NOT NULL,
    grp               INTEGER NOT NULL,
    origin            INTEGER NOT NULL,
    ctx               INTEGER NOT NULL,
    prev              BLOB    NOT NULL,
    path              TEXT    NOT NULL,
    resource_name     TEXT    NOT NULL,
    deployment        TEXT    NOT NULL,
    client_request_id TEXT    NOT NULL,
    correlation_id    TEXT    NOT NULL,
    request_id        TEXT    NOT NULL,
    duration_ms       REAL    NOT NULL,
    bytes_up          INTEGER NOT NULL,
    bytes_down        INTEGER NOT NULL,
    intent            INTEGER NOT NULL
);
CREATE INDEX events_time ON events (time, grp, origin, ctx);
CREATE INDEX events_intent ON events ((id >> 40), intent) WHERE intent > 0;

-- Gap lines have fields of their own; event is the whole line.
CREATE TABLE gaps (
    id    INTEGER PRIMARY KEY,
    time  INTEGER NOT NULL,
    count INTEGER NOT NULL, -- of missing events; 0 for retention
    event TEXT    NOT NULL
);

-- How many events there were on a day, counted in days since 1970, UTC. counts is
-- a list of unsigned varints: group, origin and number, over and over, ordered. A
-- report reads hundreds of thousands of them, which would take seconds as rows.
CREATE TABLE days (
    day    INTEGER PRIMARY KEY,
    counts BLOB NOT NULL
);

-- How far the segments of a journal were followed.
CREATE TABLE positions (
    epoch   INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    source  TEXT    NOT NULL,
    first   INTEGER NOT NULL,
    last    INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    hash    TEXT    NOT NULL,
    sealed  INTEGER NOT NULL,
    damaged INTEGER NOT NULL,
    PRIMARY KEY (epoch, segment)
) WITHOUT ROWID;

-- number rises when groups, origins or contexts are deleted: their ids may come again.
CREATE TABLE generation (number INTEGER NOT NULL);
INSERT INTO generation VALUES (1);
