-- title: Growth as observed
-- description: How many mappings and bytes each backend, and all together, have gained a day, as a daemon has observed them: the
--   line through the last observation of each step by least squares, with an interval that holds the rate of the bytes in 95 of
--   100 cases. Bytes are those of stored contents of known size, for all together each content once; a row without a backend
--   is of all. Without 5 steps that tell 4 independent things there is no rate, and the note says why.
-- chart: bar backend_name bytes_per_day
-- param: last interval 90d  how far to look back
-- param: step text day {hour, day}  the length of a step
-- param: backends backend[] ''  only these backends; all if there is none
-- param: as_of timestamp now  until when
WITH seen AS (
    SELECT backend_name, observed_at, pins, stored_bytes AS bytes
    FROM backend_history
    WHERE pins IS NOT NULL
        AND observed_at <= $as_of
        AND observed_at > $as_of - $last
        AND (CARDINALITY($backends) = 0 OR ARRAY_HAS($backends, backend_name))
    UNION ALL
    SELECT '' AS backend_name, observed_at, pins, unique_bytes AS bytes
    FROM history
    WHERE unreadable = 0
        AND observed_at <= $as_of
        AND observed_at > $as_of - $last
        AND CARDINALITY($backends) = 0
),
steps AS (  -- the last observation of each step: those within one are hardly independent
    SELECT
        backend_name,
        (DATE_PART('epoch', observed_at) - DATE_PART('epoch', $as_of)) / 86400 AS day,
        CAST(pins AS DOUBLE) AS pins,
        CAST(bytes AS DOUBLE) AS bytes
    FROM (
        SELECT
            *,
            ROW_NUMBER() OVER (
                PARTITION BY backend_name, DATE_TRUNC($step, observed_at)
                ORDER BY observed_at DESC, pins DESC, bytes DESC
            ) AS place
        FROM seen
    )
    WHERE place = 1
),
lines AS (  -- least squares
    SELECT
        backend_name,
        COUNT(*) AS steps,
        REGR_SLOPE(pins, day) AS pins_slope,
        REGR_SLOPE(bytes, day) AS slope,
        REGR_INTERCEPT(bytes, day) AS intercept,
        REGR_SXX(bytes, day) AS sxx,
        REGR_SYY(bytes, day) + COUNT(*) * POWER(REGR_INTERCEPT(bytes, day), 2) AS scale
    FROM steps
    GROUP BY backend_name
),
misses AS (
    SELECT
        steps.backend_name,
        lines.scale,
        steps.bytes - lines.intercept - lines.slope * steps.day AS miss,
        LAG(steps.bytes - lines.intercept - lines.slope * steps.day)
            OVER (PARTITION BY steps.backend_name ORDER BY steps.day) AS miss_before
    FROM steps
    JOIN lines ON lines.backend_name = steps.backend_name
),
spread AS (  -- steps that follow each other miss alike: they tell as much as fewer that do not
    SELECT
        backend_name,
        SUM(miss * miss) AS squares,
        CASE  -- what is left of a straight line by rounding is nothing
            WHEN SUM(miss * miss) > 1e-20 * MAX(scale) THEN GREATEST(SUM(miss * miss_before) / SUM(miss * miss), 0)
            ELSE 0.0
        END AS likeness
    FROM misses
    GROUP BY backend_name
),
freedom AS (
    SELECT
        lines.*,
        spread.squares,
        lines.steps * (1 - spread.likeness) / (1 + spread.likeness) AS independent,
        GREATEST(lines.steps * (1 - spread.likeness) / (1 + spread.likeness) - 2, 2) AS degrees
    FROM lines
    JOIN spread ON spread.backend_name = lines.backend_name
),
fits AS (  -- 97.5 % of Student's distribution, by its expansion for large degrees of freedom
    SELECT
        *,
        SQRT(squares / degrees / NULLIF(sxx, 0))
            * (1.95996 + 2.37227 / degrees + 2.82250 / POWER(degrees, 2) + 2.55585 / POWER(degrees, 3) + 1.58953 / POWER(degrees, 4))
            AS margin,
        steps >= 5 AND independent >= 4 AS enough
    FROM freedom
)
SELECT
    NULLIF(backend_name, '') AS backend_name,
    steps,
    CASE WHEN enough THEN ROUND(pins_slope, 2) END AS pins_per_day,
    CASE WHEN enough THEN ROUND(slope) END AS bytes_per_day,
    CASE WHEN enough THEN ROUND(slope - margin) END AS bytes_per_day_low,
    CASE WHEN enough THEN ROUND(slope + margin) END AS bytes_per_day_high,
    CASE
        WHEN steps < 5 THEN 'too little to tell: ' || steps || ' of at least 5 steps (' || $step || ') are observed'
        WHEN NOT enough THEN 'too little to tell: the steps follow each other too closely'
    END AS note
FROM fits
ORDER BY backend_name NULLS FIRST
