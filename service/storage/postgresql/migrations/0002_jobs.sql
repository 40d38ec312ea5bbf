-- Jobs from their beginning to their end, each step as one statement: a call is a message and an answer, and a process
-- that stops in its midst leaves no lock behind.
--
-- 1. What a function needs comes as one JSON object, what it tells goes as one JSON text: a later release can add to
--    either, while replicas of both releases run.
-- 2. A step of a working job holds only for the replica that follows it, by the lease of the row, or for a job that was
--    let go. To any other the answer is "lost", and nothing changes.
-- 3. New jobs begin one after another, under an advisory lock: so two calls of a fingerprint get one job, and limits
--    hold in sum.

CREATE VIEW job_values AS
SELECT jobs.id, jobs.owner, jobs.history_id, json_build_array(
    jobs.history_id, jobs.owner, state, model, prompt, created_at, finished_at, failure_kind, failure_reason,
    failure_links, parameters, upstream, tasks::text, submitted, delivered_at, cost, cost_currency, estimated,
    input_tokens, output_tokens,
    coalesce(
        (
            SELECT json_agg(
                json_build_array(
                    p.name, media_type, width, height, p.size, note, source, part,
                    files.name IS NOT NULL OR p.name LIKE 'away-%'
                )
                ORDER BY position
            )
            FROM pictures AS p LEFT JOIN files ON files.name = p.name WHERE p.job_id = jobs.id
        ),
        '[]'
    ),
    CASE WHEN has_parents THEN (
        SELECT json_agg(json_build_array(parent, picture) ORDER BY position) FROM lineage WHERE job_id = jobs.id
    ) ELSE '[]' END
) AS job
FROM jobs;
COMMENT ON VIEW job_values IS 'Jobs with their pictures and parents, as job_rows.py reads them.';

CREATE FUNCTION job_value(row_id bigint) RETURNS json LANGUAGE sql STABLE AS
$$ SELECT job FROM job_values WHERE id = row_id $$;

CREATE FUNCTION tell_job(lease text, owner text, history_id bigint, ended boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    payload text := json_build_array(lease, 'JobChanged', owner, history_id, ended);
BEGIN
    -- 7999 bytes are the most that a notice may have.
    PERFORM pg_notify('easel', CASE WHEN octet_length(payload) < 8000 THEN payload
        ELSE json_build_array(lease, 'AnythingChanged')::text END);
END $$;
COMMENT ON FUNCTION tell_job IS 'Tells other replicas of a job, in the form of service/storage/notices.py.';

CREATE FUNCTION all_are_silent() RETURNS boolean LANGUAGE sql STABLE AS
$$ SELECT coalesce(max(seen_at) < clock_timestamp() - interval '6 s', false) FROM leases $$;
COMMENT ON FUNCTION all_are_silent IS
    'True where no replica could renew its lease twice in a row: the database was gone, and nobody is dead for that.';

CREATE FUNCTION lives(lease text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM leases WHERE id = lease AND (seen_at > clock_timestamp() - interval '10 s' OR all_are_silent())
    )
$$;
COMMENT ON FUNCTION lives IS 'True while a replica lives. One that was not seen for ten seconds does not, once it is found.';

CREATE FUNCTION hold_lease(lease text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    -- A replica that is late with its renewal, and that nobody has found dead yet, must not lose a job to one who does.
    UPDATE leases SET seen_at = clock_timestamp() WHERE id = lease AND seen_at < clock_timestamp() - interval '10 s' / 2;
    PERFORM FROM leases WHERE id = lease FOR KEY SHARE;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION hold_lease IS
    'Keeps the lease of the replica that asks until the transaction ends; false where it was found dead.';

CREATE FUNCTION pauses_of(owner_ text, now_ double precision) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_agg(json_build_array(owner, since, until)) FROM pauses
    WHERE owner IN (owner_, '') AND (until IS NULL OR now_ >= since - 3600 AND now_ < until)
$$;
COMMENT ON FUNCTION pauses_of IS 'The pauses in force, as people.Pause.holds says; null for none.';

CREATE FUNCTION job_to_join(owner_ text, fingerprint_ text, failed_since double precision) RETURNS SETOF jobs
LANGUAGE sql STABLE AS $$
    SELECT * FROM jobs
    WHERE owner = owner_ AND fingerprint = fingerprint_ AND fingerprint <> '' AND delivered_at IS NULL
        AND (state <> 'failed' OR failure_links <> '[]')
        AND (state = 'working' OR failure_links = '[]' OR finished_at > failed_since)
        AND (state = 'working' OR NOT EXISTS (
            SELECT FROM pictures LEFT JOIN files USING (name)
            WHERE pictures.job_id = jobs.id AND files.name IS NULL AND pictures.name NOT LIKE 'away-%'
        ))
    ORDER BY history_id DESC LIMIT 1
$$;

CREATE FUNCTION insert_words(row_id bigint, words_ text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO prompts (job_id, owner, history_id, model, has_parents, failed, words)
    SELECT id, owner, history_id, model, has_parents, state = 'failed', words_ FROM jobs WHERE id = row_id
$$;

CREATE FUNCTION begin_job(new jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    owner_ text := new ->> 'owner';
    lease_ text := new ->> 'lease';
    now_ double precision := new ->> 'now';
    count_ integer := new ->> 'count';
    today bigint := day_of(now_);
    picture_price double precision := new ->> 'price';
    currency_ text := new ->> 'currency';
    job jobs;
    paused json;
    used record;
    working record;
    spent record;
    number record;
    facts json;
BEGIN
    SELECT * INTO job FROM job_to_join(owner_, new ->> 'fingerprint', (new ->> 'failed_since')::double precision);
    IF job.id IS NULL THEN
        PERFORM pg_advisory_xact_lock(1700885349, 1);
        SELECT * INTO job
        FROM job_to_join(owner_, new ->> 'fingerprint', (new ->> 'failed_since')::double precision);
    END IF;
    IF job.id IS NOT NULL THEN
        RETURN json_build_array(
            CASE WHEN job.state = 'working' AND job.tasks = '{}' AND job.lease <> lease_
                AND NOT lives(job.lease) THEN 'dead' ELSE 'joined' END,
            job_value(job.id)
        );
    END IF;
    IF NOT hold_lease(lease_) THEN
        RETURN '["lost"]';
    END IF;

    IF picture_price = 0 THEN
        SELECT cost / costed AS price, cost_currency AS currency INTO number FROM jobs
        WHERE owner = owner_ AND model = new ->> 'model' AND cost IS NOT NULL AND costed > 0
        ORDER BY history_id DESC LIMIT 1;
        IF FOUND THEN
            picture_price := number.price;
            currency_ := number.currency;
        END IF;
    END IF;
    paused := pauses_of(owner_, now_);
    SELECT coalesce(sum(places) FILTER (WHERE owner = owner_), 0) AS own, coalesce(sum(places), 0) AS everybodys
    INTO working FROM (
        SELECT owner, CASE
            WHEN parts > 1 THEN counted - counted * (
                SELECT count(*) FROM (
                    SELECT jsonb_object_keys(tasks)::integer UNION SELECT part FROM pictures WHERE job_id = jobs.id
                ) AS begun
            ) / parts
            WHEN tasks = '{}' THEN counted
            ELSE 0 END AS places
        FROM jobs WHERE state = 'working'
    ) AS jobs_at_work;
    SELECT coalesce(sum(pictures) FILTER (WHERE owner = owner_), 0) AS own, coalesce(sum(pictures), 0) AS everybodys
    INTO used FROM daily_use WHERE day = today;
    SELECT coalesce(sum(cost) FILTER (WHERE owner = owner_), 0) AS own, coalesce(sum(cost), 0) AS everybodys
    INTO spent FROM daily_costs WHERE day = today AND currency = currency_ AND picture_price > 0;
    IF paused IS NOT NULL
        OR working.own + count_ > (new ->> 'most_working')::double precision
        OR working.everybodys + count_ > (new ->> 'most_working_overall')::double precision
        OR used.own + count_ > (new ->> 'most_pictures')::double precision
        OR used.everybodys + count_ > (new ->> 'most_pictures_overall')::double precision
        OR picture_price > 0 AND (
            spent.own + count_ * picture_price > (new ->> 'most_spent')::double precision
            OR spent.everybodys + count_ * picture_price > (new ->> 'most_spent_overall')::double precision
        )
    THEN
        RETURN json_build_array('refused', json_build_array(
            coalesce(paused, '[]'), json_build_array(working.own, working.everybodys),
            json_build_array(used.own, used.everybodys), json_build_array(spent.own, spent.everybodys),
            picture_price, currency_
        ));
    END IF;
    IF (new ->> 'is_disk_full')::boolean THEN
        RETURN '["full"]';
    END IF;

    INSERT INTO totals AS t (owner, newest) VALUES (owner_, 1)
    ON CONFLICT (owner) DO UPDATE SET newest = t.newest + 1
    RETURNING newest, latest INTO number;
    INSERT INTO jobs (
        owner, history_id, state, model, prompt, created_at, lease, begin_id, parameters, upstream, fingerprint,
        submitted, parts, counted, price, currency, rates, has_parents
    )
    VALUES (
        owner_, number.newest, 'working', new ->> 'model', new ->> 'prompt',
        -- Two replicas may come here in another order than they looked at their clocks.
        CASE WHEN number.latest > now_ AND number.latest - now_ < (new ->> 'same_moment')::double precision
            THEN number.latest ELSE now_ END,
        lease_, new ->> 'begin_id', new ->> 'parameters', new ->> 'upstream', new ->> 'fingerprint',
        (new ->> 'submitted')::integer, (new ->> 'parts')::integer, count_, picture_price, currency_, new ->> 'rates',
        jsonb_array_length(new -> 'parents') > 0
    )
    RETURNING * INTO job;
    PERFORM insert_words(job.id, new ->> 'words');
    IF job.has_parents THEN
        INSERT INTO lineage (job_id, position, owner, parent, picture)
        SELECT job.id, place - 1, owner_, (parent ->> 0)::bigint, (parent ->> 1)::integer
        FROM jsonb_array_elements(new -> 'parents') WITH ORDINALITY AS given (parent, place);
    END IF;
    IF jsonb_array_length(new -> 'files') > 0 THEN
        INSERT INTO working_files (job_id, name, fresh)
        SELECT job.id, file ->> 0, (file ->> 1)::boolean FROM jsonb_array_elements(new -> 'files') AS given (file)
        ON CONFLICT DO NOTHING;
        UPDATE uploads SET history_id = job.history_id, used_at = now_
        WHERE id IN (SELECT jsonb_array_elements_text(new -> 'uploads')) AND owner = owner_ AND used_at IS NULL;
    END IF;
    PERFORM tell_job(lease_, owner_, job.history_id, false);
    RETURN json_build_array('begun', job_value(job.id), picture_price);
END $$;

CREATE FUNCTION store_pictures(job jobs, pictures_ jsonb, now_ double precision) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO pictures (job_id, position, name, media_type, width, height, size, note, source, part)
    SELECT job.id,
        (SELECT count(*) FROM pictures WHERE job_id = job.id) + row_number() OVER (ORDER BY place) - 1,
        p ->> 0, p ->> 1, (p ->> 2)::integer, (p ->> 3)::integer, (p ->> 4)::bigint, p ->> 5, p ->> 6,
        (p ->> 7)::integer
    FROM jsonb_array_elements(pictures_) WITH ORDINALITY AS given (p, place)
    -- A step whose answer was lost is done again by who did not hear it.
    WHERE NOT EXISTS (
        SELECT FROM pictures WHERE job_id = job.id AND name = p ->> 0 AND part = (p ->> 7)::integer
    );
    IF FOUND THEN
        PERFORM store_files(job.owner, pictures_, now_);
    END IF;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION store_pictures IS 'Adds pictures to a job; false where all of them are there already.';

CREATE FUNCTION store_files(owner_ text, pictures_ jsonb, now_ double precision) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    p jsonb;
BEGIN
    FOR p IN SELECT * FROM jsonb_array_elements(pictures_) LOOP
        IF (p ->> 8)::boolean THEN
            PERFORM store_file(owner_, p ->> 0, (p ->> 4)::bigint, now_);
        END IF;
    END LOOP;
END $$;

CREATE FUNCTION store_file(owner_ text, name_ text, size_ bigint, now_ double precision) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    file record;
BEGIN
    IF owner_ <> '' THEN
        DELETE FROM files WHERE name = name_ AND owner = '';
    END IF;
    -- A file is never older than one before it, also when the clock was set back: the oldest go first.
    INSERT INTO files AS f (name, owner, size, drawn, stored_at)
    VALUES (
        name_, owner_, size_, EXISTS (SELECT FROM pictures WHERE name = name_),
        greatest(now_, (SELECT max(stored_at) FROM files))
    )
    ON CONFLICT (name) DO UPDATE SET stored_at = greatest(f.stored_at, excluded.stored_at), drawn = excluded.drawn
    RETURNING drawn, xmax = 0 AS is_new INTO file;
    IF NOT file.drawn THEN  -- now that the row is locked: a picture of the name may have been added meanwhile
        UPDATE files SET drawn = true WHERE name = name_ AND EXISTS (SELECT FROM pictures WHERE name = name_);
    END IF;
    RETURN file.is_new;
END $$;

CREATE FUNCTION end_job(
    job jobs, kind text, reason text, links text, now_ double precision, lease_ text
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    came integer := (SELECT count(*) FROM pictures WHERE job_id = job.id);
BEGIN
    UPDATE jobs SET
        state = CASE WHEN came > 0 OR kind IS NULL THEN 'done' ELSE 'failed' END,
        finished_at = now_,
        failure_links = links,
        -- Of a job with pictures the first failure that was noted stays.
        failure_kind = CASE WHEN came > 0 THEN coalesce(failure_kind, kind) ELSE kind END,
        failure_reason = CASE WHEN came > 0 THEN coalesce(failure_reason, reason) ELSE reason END,
        counted = greatest(submitted, least(counted, came))
    WHERE id = job.id;
    PERFORM tell_job(lease_, job.owner, job.history_id, true);
END $$;

CREATE FUNCTION age_unused(owner_ text, names text[]) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    unused text[];
BEGIN
    SELECT array_agg(name ORDER BY place) INTO unused FROM unnest(names) WITH ORDINALITY AS candidate (name, place)
    WHERE NOT EXISTS (SELECT FROM pictures WHERE pictures.name = candidate.name)
        AND NOT EXISTS (SELECT FROM working_files WHERE working_files.name = candidate.name)
        AND NOT EXISTS (
            SELECT FROM uploads
            WHERE uploads.owner = owner_ AND used_at IS NULL AND uploads.names <> ''
                AND uploads.names::jsonb ? candidate.name
        );
    UPDATE files SET stored_at = 0 WHERE name = ANY (unused) AND stored_at <> 0;
    RETURN coalesce(unused, '{}');
END $$;
COMMENT ON FUNCTION age_unused IS 'Makes those of these files that nothing uses the oldest of all, and returns them.';

CREATE FUNCTION change_job(change jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    lease_ text := change ->> 'lease';
    now_ double precision := change ->> 'now';
    asked integer := change ->> 'submitted';
    pictures_ jsonb := change -> 'pictures';
    ending jsonb := change -> 'end';
    paused json;
    job jobs;
    fresh text[];
    are_new boolean := true;
    priced json;
BEGIN
    SELECT * INTO job FROM jobs
    WHERE owner = change ->> 'owner' AND history_id = (change ->> 'history_id')::bigint FOR UPDATE;
    IF job.id IS NULL THEN
        RETURN '["gone"]';
    ELSIF job.state <> 'working' THEN
        RETURN json_build_array('ended', job_value(job.id));
    ELSIF job.lease NOT IN (lease_, '') THEN
        RETURN json_build_array('lost', job_value(job.id));
    END IF;
    IF asked > job.submitted THEN
        paused := pauses_of(job.owner, now_);
        IF paused IS NOT NULL THEN
            RETURN json_build_array('paused', paused);
        END IF;
    END IF;

    IF asked <> job.submitted OR change ? 'task' OR change ? 'shortfall' THEN
        UPDATE jobs SET
            submitted = least(coalesce(asked, submitted), counted),
            tasks = tasks || coalesce(change -> 'task', '{}'),
            failure_reason = CASE WHEN failure_kind IS NULL THEN change -> 'shortfall' ->> 1 ELSE failure_reason END,
            failure_kind = coalesce(failure_kind, change -> 'shortfall' ->> 0)
        WHERE id = job.id;
    END IF;
    IF jsonb_array_length(pictures_) > 0 THEN
        are_new := store_pictures(job, pictures_, now_);
    END IF;
    IF ending IS NOT NULL THEN
        IF (ending ->> 'failed')::boolean THEN
            SELECT array_agg(name) INTO fresh FROM working_files WHERE job_id = job.id AND working_files.fresh;
        END IF;
        PERFORM end_job(job, ending ->> 'kind', ending ->> 'reason', ending ->> 'links', now_, lease_);
        IF fresh IS NOT NULL THEN
            PERFORM age_unused(job.owner, fresh);
        END IF;
    ELSIF jsonb_array_length(pictures_) > 0 THEN
        PERFORM tell_job(lease_, job.owner, job.history_id, false);
    END IF;
    IF (change ->> 'priced')::boolean AND are_new THEN
        SELECT json_build_array(
            id, price, currency, rates, greatest(counted - costed, 0), cost, cost_currency, estimated, input_tokens,
            output_tokens
        )
        INTO priced FROM jobs WHERE id = job.id;
    END IF;
    RETURN json_build_array('changed', job_value(job.id), priced);
END $$;
COMMENT ON FUNCTION change_job IS
    'A step of a working job: pictures that may be charged, a task, a shortfall, pictures that came, and its end.';

CREATE FUNCTION settle_job(usage jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    job jobs;
BEGIN
    UPDATE jobs SET
        cost = (usage ->> 'cost')::double precision,
        cost_currency = usage ->> 'currency',
        estimated = (usage ->> 'estimated')::boolean,
        input_tokens = (usage ->> 'input_tokens')::bigint,
        output_tokens = (usage ->> 'output_tokens')::bigint,
        costed = costed + (usage ->> 'costed')::integer
    WHERE id = (usage ->> 'id')::bigint RETURNING * INTO job;
    IF (usage ->> 'added')::double precision > 0 THEN
        INSERT INTO daily_costs AS c (day, owner, model, currency, cost, estimated)
        VALUES (
            day_of(job.created_at), job.owner, job.model, usage ->> 'added_currency',
            (usage ->> 'added')::double precision, (usage ->> 'added_estimate')::double precision
        )
        ON CONFLICT (day, owner, model, currency) DO UPDATE SET
            cost = c.cost + excluded.cost, estimated = c.estimated + excluded.estimated;
    END IF;
    RETURN job_value(job.id);
END $$;

CREATE FUNCTION recover_job(change jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    job jobs;
BEGIN
    SELECT * INTO job FROM jobs
    WHERE owner = change ->> 'owner' AND history_id = (change ->> 'history_id')::bigint FOR UPDATE;
    IF job.id IS NULL THEN
        RETURN '["gone"]';
    ELSIF job.state <> 'working' AND job.failure_links = change ->> 'links' AND job.failure_links <> '[]' THEN
        UPDATE jobs SET
            state = 'done',
            finished_at = CASE WHEN state = 'done' THEN finished_at ELSE (change ->> 'now')::double precision END,
            failure_kind = CASE WHEN state = 'done' THEN failure_kind END,
            failure_reason = CASE WHEN state = 'done' THEN failure_reason END,
            failure_links = change ->> 'left'
        WHERE id = job.id;
        PERFORM store_pictures(job, change -> 'pictures', (change ->> 'now')::double precision);
        PERFORM tell_job(change ->> 'lease', job.owner, job.history_id, true);
    END IF;
    RETURN json_build_array('changed', job_value(job.id));
END $$;

CREATE FUNCTION restore_picture(change jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    job jobs;
    p jsonb := change -> 'pictures' -> 0;
BEGIN
    SELECT * INTO job FROM jobs
    WHERE owner = change ->> 'owner' AND history_id = (change ->> 'history_id')::bigint FOR UPDATE;
    IF job.id IS NULL THEN
        RETURN '["gone"]';
    END IF;
    UPDATE pictures SET
        name = p ->> 0, media_type = p ->> 1, width = (p ->> 2)::integer, height = (p ->> 3)::integer,
        size = (p ->> 4)::bigint, note = p ->> 5, source = p ->> 6, part = (p ->> 7)::integer
    WHERE job_id = job.id AND position = (change ->> 'position')::bigint;
    IF FOUND THEN
        PERFORM store_files(job.owner, change -> 'pictures', (change ->> 'now')::double precision);
        PERFORM tell_job(change ->> 'lease', job.owner, job.history_id, true);
    END IF;
    RETURN json_build_array('changed', job_value(job.id));
END $$;

CREATE FUNCTION arrival_name(owner text, history_id bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT left(encode(sha256(convert_to(owner, 'UTF8')), 'hex'), 32) || '-' || history_id $$;
COMMENT ON FUNCTION arrival_name IS 'As service/storage/arrivals.py names the file of a job.';

CREATE FUNCTION claim_jobs(claim jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    lease_ text := claim ->> 'lease';
    now_ double precision := claim ->> 'now';
    only_owner text := claim ->> 'owner';
    only_number bigint := claim ->> 'history_id';
    -- Who was found dead takes nothing: its lease holds no job, so that the next one would take it once more.
    takes boolean := (claim ->> 'takes')::boolean AND hold_lease(lease_);
    arrived text[] := ARRAY(SELECT jsonb_array_elements_text(claim -> 'arrived'));
    job jobs;
    taken bigint[];
    ended integer := 0;
BEGIN
    -- Who is found dead is dead for good: its row goes in the transaction that ends and gives away its jobs.
    DELETE FROM leases WHERE id <> lease_ AND NOT lives(id);
    FOR job IN
        SELECT * FROM jobs
        WHERE state = 'working' AND lease <> lease_
            AND NOT EXISTS (SELECT FROM leases WHERE leases.id = jobs.lease)
        ORDER BY id FOR UPDATE SKIP LOCKED
    LOOP
        -- Another replica may have taken it since this statement began: what is locked is the row as it is now, but its
        -- lease was looked for among those of then.
        CONTINUE WHEN job.lease = lease_ OR EXISTS (SELECT FROM leases WHERE id = job.lease);
        IF job.tasks <> '{}' OR arrival_name(job.owner, job.history_id) = ANY (arrived) THEN
            IF takes AND (only_owner IS NULL OR job.owner = only_owner AND job.history_id = only_number) THEN
                UPDATE jobs SET lease = lease_ WHERE id = job.id;
                taken := taken || job.id;
            END IF;
        ELSIF job.lease <> '' OR claim ->> 'interrupted' = job.history_id::text AND job.owner = only_owner THEN
            PERFORM end_job(
                job, claim ->> 'kind',
                CASE WHEN job.submitted > 0 THEN claim ->> 'reason_asked' ELSE claim ->> 'reason' END, '[]', now_, lease_
            );
            ended := ended + 1;
        END IF;
    END LOOP;
    RETURN json_build_array(ended, (
        SELECT json_agg(job_value(id) ORDER BY place) FROM unnest(taken) WITH ORDINALITY AS each (id, place)
    ));
END $$;
COMMENT ON FUNCTION claim_jobs IS
    'Ends as interrupted what dead replicas left and nobody can follow, and gives what can be followed to the claimer.';

CREATE FUNCTION end_unheard(change jsonb) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    job jobs;
    ended integer := 0;
BEGIN
    FOR job IN
        SELECT * FROM jobs
        WHERE lease = change ->> 'lease' AND state = 'working'
            AND begin_id IN (SELECT jsonb_array_elements_text(change -> 'begin_ids'))
        FOR UPDATE
    LOOP
        UPDATE jobs SET submitted = 0 WHERE id = job.id;
        PERFORM end_job(
            job, change ->> 'kind', change ->> 'reason', '[]', (change ->> 'now')::double precision, job.lease
        );
        ended := ended + 1;
    END LOOP;
    RETURN ended;
END $$;
COMMENT ON FUNCTION end_unheard IS 'Ends jobs that nobody works on, as their replica did not hear that they began.';

CREATE FUNCTION delete_job(owner_ text, number bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    job jobs;
    names text[];
BEGIN
    SELECT * INTO job FROM jobs WHERE owner = owner_ AND history_id = number FOR UPDATE;
    IF job.id IS NULL THEN
        RETURN '["gone"]';
    ELSIF job.state = 'working' THEN
        RETURN '["working"]';
    END IF;
    names := ARRAY(SELECT DISTINCT name FROM pictures WHERE job_id = job.id ORDER BY name);
    DELETE FROM jobs WHERE id = job.id;
    RETURN json_build_array('deleted', age_unused(owner_, names));
END $$;

CREATE FUNCTION add_file(owner_ text, name_ text, size_ bigint, now_ double precision) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    was_there boolean := EXISTS (SELECT FROM files WHERE name = name_);
BEGIN
    IF owner_ = '' THEN
        SELECT owner INTO owner_ FROM pictures JOIN jobs ON jobs.id = job_id WHERE name = name_ LIMIT 1;
    END IF;
    PERFORM store_file(coalesce(owner_, ''), name_, size_, now_);
    RETURN NOT was_there;
END $$;
