-- The search in a history: words of prompts with facets, newest first, all in one statement.
--
-- 1. The index of words (GIN) has a list of rows for each token, and meets several lists without reading a row. Besides
--    the words as words.py writes them, and the beginnings of words, tokens are the owner with each set of facets, since
--    long lists take long to meet, the failed ones, and the stretch of numbers in which a job lies.
-- 2. A frequent word has many rows, of which a page shows the newest. So the newest stretches are looked through first,
--    and then as many older ones as will have enough by what was found so far; all where those are too many. Of what an
--    index does not tell, that words stand behind each other or that a long word begins so, the rows are asked.
-- 3. Without words an index of the facets has all that is asked for, in the order of numbers.
-- 4. Each function sees one moment of the database.

-- The bodies of functions for the index are bound to each other when they are made (RETURN): PostgreSQL looks for
-- nothing by name while it builds an index.

CREATE FUNCTION token_of(word text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN octet_length(word) > 64 THEN '#' || md5(word) ELSE word END;
COMMENT ON FUNCTION token_of IS 'A word as the index has it, which takes none of 2,700 bytes.';

CREATE FUNCTION facet_token(owner text, model text, has_parents boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN token_of(
    CASE WHEN has_parents THEN ':p' WHEN NOT has_parents THEN ':-' ELSE ':' END
    || length(owner) || ' ' || owner || coalesce(' ' || model, '')
);
COMMENT ON FUNCTION facet_token IS 'The jobs of an owner, or those of them that have these facets.';

CREATE FUNCTION stretch_token(owner text, size integer, number bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN token_of(':' || size || ' ' || (number >> size) || ' ' || owner);
COMMENT ON FUNCTION stretch_token IS 'The stretch of 2^size numbers of an owner in which a number lies.';

CREATE FUNCTION prompt_tokens(
    owner text, history_id bigint, model text, has_parents boolean, failed boolean, words text
) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY[
        facet_token(owner, NULL, NULL), facet_token(owner, model, NULL), facet_token(owner, NULL, has_parents),
        facet_token(owner, model, has_parents)
    ]
    || CASE WHEN failed THEN ARRAY[':f'] END
    || stretch_token(owner, 12, history_id) || stretch_token(owner, 16, history_id)
    || ARRAY(
        SELECT token_of(word) FROM string_to_table(words, ' ') AS word WHERE word <> ''
        UNION ALL
        SELECT '*' || left(word, letters) FROM string_to_table(words, ' ') AS word, generate_series(3, 5) AS letters
        WHERE length(word) >= letters
    );

CREATE INDEX prompts_by_token ON prompts USING gin (
    (prompt_tokens(owner, history_id, model, has_parents, failed, words)) COLLATE "C"
) WITH (gin_pending_list_limit = 256);

CREATE FUNCTION number_after(owner_ text, count_ bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce((
        SELECT history_id FROM jobs WHERE owner = owner_ ORDER BY history_id DESC LIMIT 1 OFFSET least(count_, 1e15::bigint)
    ), 0)
$$;
COMMENT ON FUNCTION number_after IS 'The number of the first job that is not among so many newest of an owner, or 0.';

CREATE FUNCTION found_numbers(search jsonb, first_ bigint, last_ bigint, most bigint) RETURNS bigint[]
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
    owner_ text := search ->> 'owner';
    model_ text := search ->> 'model';
    state_ text := search ->> 'state';
    parents_ boolean := search ->> 'has_parents';
    since_ double precision := search ->> 'since';
    until_ double precision := search ->> 'until';
    times text := CASE WHEN since_ IS NOT NULL THEN ' AND created_at >= $5' ELSE '' END
        || CASE WHEN until_ IS NOT NULL THEN ' AND created_at < $6' ELSE '' END;
    walks text[];
    numbers bigint[];
    each_state text;
    each_parents boolean;
BEGIN
    IF state_ IS NULL AND model_ IS NULL AND parents_ IS NULL THEN
        walks := ARRAY['owner = $1'];
    ELSE
        FOREACH each_state IN ARRAY CASE WHEN state_ IS NULL THEN ARRAY['working', 'done', 'failed'] ELSE ARRAY[state_] END
        LOOP
            FOREACH each_parents IN ARRAY CASE WHEN parents_ IS NULL THEN ARRAY[false, true] ELSE ARRAY[parents_] END LOOP
                walks := walks || format(
                    'owner = $1%s AND state = %L AND has_parents = %L',
                    CASE WHEN model_ IS NULL THEN '' ELSE ' AND model = $2' END, each_state, each_parents
                );
            END LOOP;
        END LOOP;
    END IF;
    EXECUTE 'SELECT ARRAY(SELECT history_id FROM (' || (
        SELECT string_agg(
            '(SELECT history_id FROM jobs WHERE ' || walk || times
            || ' AND history_id BETWEEN $3 AND $4 ORDER BY history_id DESC LIMIT $7)', ' UNION ALL '
        ) FROM unnest(walks) AS walk
    ) || ') AS walked ORDER BY history_id DESC LIMIT $7)'
    INTO numbers USING owner_, model_, first_, last_, since_, until_, most;
    RETURN numbers;
END $$;
COMMENT ON FUNCTION found_numbers IS
    'The newest numbers without words. An index of all facets has their order where each is given: one walk for each.';

CREATE FUNCTION found_words(search jsonb, first_ bigint, last_ bigint, most bigint) RETURNS bigint[]
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
    owner_ text := search ->> 'owner';
    state_ text := search ->> 'state';
    since_ double precision := search ->> 'since';
    until_ double precision := search ->> 'until';
    behind text[] := ARRAY(SELECT jsonb_array_elements_text(search -> 'behind'));
    tokens text[] := ARRAY[facet_token(owner_, search ->> 'model', (search ->> 'has_parents')::boolean)]
        || CASE WHEN state_ = 'failed' THEN ARRAY[':f'] END
        || ARRAY(SELECT token_of(word) FROM jsonb_array_elements_text(search -> 'tokens') AS word);
    -- The rows of the index say whether a job failed; few are at work.
    working_ bigint[] := CASE WHEN state_ IN ('done', 'working') THEN
        ARRAY(SELECT id FROM jobs WHERE owner = owner_ AND state = 'working') END;
    most_stretches CONSTANT integer := 16;
    size integer;
    span bigint := 2 << 12;  -- of the newest stretch there may be little yet
    looked bigint := 0;
    high bigint := last_;
    low bigint;
    older bigint[];
    numbers bigint[] := '{}';
BEGIN
    LOOP
        size := CASE WHEN span <= most_stretches << 12 THEN 12 WHEN span <= most_stretches << 16 THEN 16 ELSE 0 END;
        low := CASE WHEN size = 0 THEN first_ ELSE greatest(first_, ((high - span) >> size << size) + (1 << size)) END;
        EXECUTE format(
            $query$
            SELECT ARRAY(
                SELECT history_id FROM prompts
                WHERE (%s) AND history_id BETWEEN $3 AND $4
                    AND NOT EXISTS (
                        SELECT FROM unnest($5) AS words_ WHERE strpos(' ' || prompts.words || ' ', words_) = 0
                    )
                    %s
                ORDER BY history_id DESC LIMIT $10
            )
            $query$,
            replace(
                CASE WHEN size = 0 THEN 'tokens @> $1'
                -- Of two stretches the index goes by their own short lists; of more it meets those of the words first.
                WHEN looked = 0 THEN
                    'tokens @> ($1 || stretch_token($2, $9, $4)) OR tokens @> ($1 || stretch_token($2, $9, $3))'
                ELSE
                    'tokens @> $1 AND tokens && ARRAY('
                    'SELECT stretch_token($2, $9, each << $9) FROM generate_series($3 >> $9, $4 >> $9) AS each)'
                END,
                'tokens', 'prompt_tokens(owner, history_id, model, has_parents, failed, words)'
            ),
            CASE state_ WHEN 'done' THEN 'AND NOT failed AND job_id <> ALL ($6)' WHEN 'working' THEN 'AND job_id = ANY ($6)'
            ELSE '' END
            || CASE WHEN since_ IS NOT NULL OR until_ IS NOT NULL THEN $condition$
                AND EXISTS (
                    SELECT FROM jobs WHERE jobs.id = job_id
                        AND ($7 IS NULL OR created_at >= $7) AND ($8 IS NULL OR created_at < $8)
                )
            $condition$ ELSE '' END
        )
        INTO older USING tokens, owner_, low, high, behind, working_, since_, until_, size, most - cardinality(numbers);
        numbers := numbers || older;
        EXIT WHEN cardinality(numbers) >= most OR low <= first_;
        looked := looked + high - low + 1;
        high := low - 1;
        -- As many as will do by what was found so far, and a fifth more; where nothing was found, all.
        span := greatest(2 * span, 1.2 * (most - cardinality(numbers)) * looked / greatest(cardinality(numbers), 0.1));
    END LOOP;
    RETURN numbers;
END $$;

CREATE FUNCTION search_jobs(search jsonb) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    owner_ text := search ->> 'owner';
    has_words boolean := search ? 'tokens';
    since_ double precision := search ->> 'since';
    until_ double precision := search ->> 'until';
    newest_ bigint := search ->> 'newest';
    beyond_ bigint := search ->> 'beyond';
    before_ bigint := search ->> 'before';
    wanted bigint := search ->> 'wanted';
    most bigint := search ->> 'most';
    is_filtered boolean := (search -> 'model') <> 'null' OR (search -> 'state') <> 'null'
        OR (search -> 'has_parents') <> 'null' OR since_ IS NOT NULL OR until_ IS NOT NULL OR has_words;
    of_owner totals;
    entries bigint;
    first_ bigint := 1;
    last_ bigint;
    counted bigint;
    is_known boolean := true;
    numbers bigint[];
BEGIN
    SELECT * INTO of_owner FROM totals WHERE owner = owner_;
    entries := coalesce(of_owner.working + of_owner.done + of_owner.failed, 0);
    last_ := coalesce(of_owner.newest, 0);
    IF newest_ < entries THEN
        first_ := number_after(owner_, newest_) + 1;
    END IF;
    IF beyond_ IS NOT NULL THEN
        last_ := CASE WHEN beyond_ >= entries THEN 0 ELSE number_after(owner_, beyond_) END;
    END IF;
    IF of_owner.in_order THEN
        -- The days are a stretch of numbers: they have the order of their times.
        IF since_ IS NOT NULL THEN
            first_ := greatest(first_, coalesce((
                SELECT history_id FROM jobs WHERE owner = owner_ AND created_at >= since_
                ORDER BY created_at, history_id LIMIT 1
            ), last_ + 1));
        END IF;
        IF until_ IS NOT NULL THEN
            last_ := least(last_, coalesce((
                SELECT history_id FROM jobs WHERE owner = owner_ AND created_at < until_
                ORDER BY created_at DESC, history_id DESC LIMIT 1
            ), 0));
        END IF;
        search := search - 'since' - 'until';
    END IF;
    IF first_ > last_ THEN
        RETURN '[0, true, []]';
    END IF;

    IF NOT has_words AND since_ IS NULL AND until_ IS NULL THEN
        IF NOT is_filtered THEN
            counted := greatest(0, least(entries, newest_) - coalesce(beyond_, 0));
        ELSIF coalesce(newest_ >= entries, true) AND coalesce(beyond_, 0) = 0 THEN
            SELECT coalesce(sum(jobs), 0) INTO counted FROM job_counts
            WHERE owner = owner_ AND (search ->> 'model' IS NULL OR model = search ->> 'model')
                AND (search ->> 'state' IS NULL OR state = search ->> 'state')
                AND (search ->> 'has_parents' IS NULL OR has_parents = (search ->> 'has_parents')::boolean);
        END IF;
    END IF;
    is_known := counted IS NOT NULL;
    IF has_words AND before_ IS NULL THEN
        numbers := found_words(search, first_, last_, greatest(wanted, most + 1));
        counted := cardinality(numbers);
    ELSE
        IF NOT is_known THEN
            counted := cardinality(CASE WHEN has_words THEN found_words(search, first_, last_, most + 1)
                ELSE found_numbers(search, first_, last_, most + 1) END);
        END IF;
        last_ := least(last_, coalesce(before_ - 1, last_));
        numbers := CASE WHEN has_words THEN found_words(search, first_, last_, wanted)
            ELSE found_numbers(search, first_, last_, wanted) END;
    END IF;
    RETURN json_build_array(counted, is_known OR counted <= most, coalesce((
        SELECT json_agg(job ORDER BY history_id DESC) FROM job_values
        WHERE owner = owner_ AND history_id = ANY (numbers[:least(wanted, 1000000)::integer])
    ), '[]'));
END $$;
