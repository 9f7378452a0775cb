-- The system of record of Harbour Mutual that the claims_intake playbook works on: database `insurer`, schema public.
-- Safe to run again: nothing is dropped and nothing existing is changed.

CREATE TABLE IF NOT EXISTS policies (
    policy_number text PRIMARY KEY CHECK (policy_number ~ '^[A-Z]{3}-[0-9]{4}-[A-Z]{2}$'),
    kind          text NOT NULL CHECK (kind IN ('car', 'home', 'travel')),
    holder        text NOT NULL,
    holder_email  text NOT NULL,
    status        text NOT NULL CHECK (status IN ('active', 'lapsed', 'cancelled')),
    starts_on     date NOT NULL,
    ends_on       date NOT NULL CHECK (ends_on > starts_on),
    excess        numeric(12, 2) NOT NULL CHECK (excess >= 0),
    cover_limit   numeric(12, 2) NOT NULL CHECK (cover_limit > 0),
    currency      text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    region        text NOT NULL CHECK (region IN ('local', 'eu', 'uk', 'us'))
);
COMMENT ON COLUMN policies.ends_on IS 'Last day of cover, inclusive. A lapsed or cancelled policy ends on the day cover stopped.';

CREATE TABLE IF NOT EXISTS clauses (
    clause_id text PRIMARY KEY CHECK (clause_id ~ '^[ABT][0-9]{1,2}$'),
    kind      text NOT NULL CHECK (kind IN ('car', 'home', 'travel')),
    title     text NOT NULL,
    body      text NOT NULL,
    effect    text NOT NULL CHECK (effect IN ('covers', 'excludes', 'condition')),
    search    tsvector GENERATED ALWAYS AS (
        setweight(to_tsvector('english', title), 'A') || setweight(to_tsvector('english', body), 'B')
    ) STORED
);
COMMENT ON COLUMN clauses.effect IS 'Whether the clause grants cover, takes it away, or says how a claim is made and paid.';
CREATE INDEX IF NOT EXISTS clauses_search ON clauses USING gin (search);

CREATE TABLE IF NOT EXISTS claims (
    claim_id        text PRIMARY KEY,
    policy_number   text NOT NULL REFERENCES policies,
    incident_on     date NOT NULL,
    amount          numeric(12, 2) NOT NULL CHECK (amount >= 0),
    status          text NOT NULL CHECK (status IN ('registered', 'settled', 'denied', 'withdrawn')),
    registered_at   timestamptz NOT NULL DEFAULT now(),
    idempotency_key text NOT NULL UNIQUE
);
CREATE INDEX IF NOT EXISTS claims_policy ON claims (policy_number);

CREATE TABLE IF NOT EXISTS claim_photos (
    claim_id   text NOT NULL REFERENCES claims,
    photo_name text NOT NULL,
    phash      text NOT NULL CHECK (phash ~ '^[0-9a-f]{16}$'),
    dhash      text NOT NULL CHECK (dhash ~ '^[0-9a-f]{16}$'),
    added_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (claim_id, photo_name)
);
COMMENT ON TABLE claim_photos IS 'Perceptual hashes (64 bit, hexadecimal) of photos that came with claims; the photos are kept elsewhere.';

CREATE TABLE IF NOT EXISTS payments (
    payment_id      text PRIMARY KEY,
    policy_number   text NOT NULL REFERENCES policies,
    claim_id        text NOT NULL REFERENCES claims,
    payee           text NOT NULL,
    amount          numeric(12, 2) NOT NULL CHECK (amount > 0),
    currency        text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    paid_at         timestamptz NOT NULL DEFAULT now(),
    idempotency_key text NOT NULL UNIQUE
);

-- The insurer's own wall: a claim is paid once, and the same loss of a policy is not settled twice over the same sum,
-- whoever asks. Records from before that break it are left as they are, without the wall.
DO $$
BEGIN
    CREATE UNIQUE INDEX IF NOT EXISTS payments_once_a_claim ON payments (claim_id);
    CREATE UNIQUE INDEX IF NOT EXISTS claims_settled_once ON claims (policy_number, incident_on, amount)
        WHERE status = 'settled';
EXCEPTION
    WHEN unique_violation THEN
        RAISE NOTICE 'claims or payments stand there twice already';
END
$$;

CREATE TABLE IF NOT EXISTS outbox (
    letter_id       text PRIMARY KEY,
    to_address      text NOT NULL,
    subject         text NOT NULL,
    body            text NOT NULL,
    sent_at         timestamptz NOT NULL DEFAULT now(),
    idempotency_key text NOT NULL UNIQUE
);

-- Group roles; the credentials of single calls are made IN ROLE one of them. Where roles are made by someone else, the
-- loader need not be allowed to: a role that is still missing is then named by the first GRANT that fails.
DO $$
DECLARE
    group_role text;
BEGIN
    FOREACH group_role IN ARRAY ARRAY['insurer_read', 'insurer_claims_write', 'insurer_pay'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = group_role) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', group_role);
            EXCEPTION
                WHEN insufficient_privilege THEN
                    RAISE NOTICE 'not allowed to create role %', group_role;
                WHEN duplicate_object THEN
                    NULL;  -- another loader made it between the look and the CREATE
            END;
        END IF;
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA public TO insurer_read, insurer_claims_write, insurer_pay;
GRANT SELECT ON policies, clauses, claims, claim_photos TO insurer_read;
GRANT SELECT, INSERT ON claims, claim_photos, outbox TO insurer_claims_write;
GRANT SELECT, INSERT ON payments TO insurer_pay;
