-- The version of what an owner has: a text that every change of it replaces, whoever makes it.
--
-- 1. It is the number of the transaction and its time, so that no two changes have one, and it is seen with what was
--    changed. Numbers alone come again after a failover that lost the last transactions, or after a restore.
-- 2. It is written when the transaction ends (DEFERRED): whoever has the row of a version waits for nothing any more, so
--    that no two transactions wait for each other there.

CREATE TABLE versions (
    owner text COLLATE "C" PRIMARY KEY,
    version text COLLATE "C" NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE versions IS 'The transaction that changed jobs, pictures or files of an owner last; no row for none so far.';

CREATE FUNCTION version_of(owner_ text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((SELECT version FROM versions WHERE owner = owner_), '');
END $$;

CREATE FUNCTION note_change(owner_ text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO versions AS v (owner, version)
    VALUES (owner_, pg_current_xact_id()::text || ' ' || extract(epoch FROM transaction_timestamp())::text)
    ON CONFLICT (owner) DO UPDATE SET version = excluded.version WHERE v.version <> excluded.version;
END $$;

CREATE FUNCTION owned_row_was_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM note_change(coalesce(NEW.owner, OLD.owner));
    IF NEW.owner <> OLD.owner THEN
        PERFORM note_change(OLD.owner);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION row_of_picture_was_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM note_change(owner) FROM jobs WHERE id = coalesce(NEW.job_id, OLD.job_id);
    RETURN NULL;
END $$;
COMMENT ON FUNCTION row_of_picture_was_changed IS 'Of a picture that goes with its job, the job tells.';

CREATE FUNCTION row_of_file_was_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Histories tell which of their pictures are stored, also where the file is nobody's.
    PERFORM note_change(changed.owner) FROM (
        SELECT unnest(ARRAY[OLD.owner, NEW.owner]) AS owner
        UNION
        SELECT jobs.owner FROM pictures JOIN jobs ON jobs.id = job_id
        WHERE pictures.name = coalesce(NEW.name, OLD.name)
    ) AS changed WHERE changed.owner IS NOT NULL;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER version_of_jobs AFTER INSERT OR UPDATE OR DELETE ON jobs
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION owned_row_was_changed();
CREATE CONSTRAINT TRIGGER version_of_lineage AFTER INSERT OR UPDATE OR DELETE ON lineage
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION owned_row_was_changed();
CREATE CONSTRAINT TRIGGER version_of_pictures AFTER INSERT OR UPDATE OR DELETE ON pictures
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION row_of_picture_was_changed();
CREATE CONSTRAINT TRIGGER version_of_files AFTER INSERT OR UPDATE OR DELETE ON files
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION row_of_file_was_changed();
