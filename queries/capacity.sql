-- title: When a backend is full
-- description: When the bytes that a backend stores reach a capacity, if they go on growing as a daemon has observed: the line
--   through the last observation of each step by least squares. The earliest and the latest day are those of the interval that
--   holds the rate in 95 of 100 cases; that growth goes on as it was is taken for granted. Contents of unknown size are in no
--   number but their own. Where there is too little to tell, the note says so, and there is no day. For one that is full
--   all days are the one on which that was observed.
-- param: backend backend  which backend
-- param: capacity integer {1..}  the bytes that it has room for
-- param: last interval 90d  how far to look back
-- param: step text day {hour, day}  the length of a step
-- param: as_of timestamp now  from when on
WITH seen AS (
    SELECT backend_name, observed_at, pins, stored_bytes AS bytes, unknown_sizes
    FROM backend_history
    WHERE pins IS NOT NULL
        AND observed_at <= $as_of
        AND observed_at > $as_of - $last
        AND backend_name = $backend
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
),
latest AS (
    SELECT observed_at, bytes, unknown_sizes
    FROM seen
    ORDER BY observed_at DESC, bytes DESC, unknown_sizes DESC
    LIMIT 1
),
days AS (  -- from the latest observation on
    SELECT
        latest.*,
        fits.steps,
        fits.slope,
        fits.margin,
        fits.enough,
        $capacity - CAST(latest.bytes AS DOUBLE) AS room,
        ($capacity - CAST(latest.bytes AS DOUBLE)) / NULLIF(GREATEST(fits.slope, 0), 0) AS expected,
        ($capacity - CAST(latest.bytes AS DOUBLE)) / NULLIF(GREATEST(fits.slope + fits.margin, 0), 0) AS soonest,
        ($capacity - CAST(latest.bytes AS DOUBLE)) / NULLIF(GREATEST(fits.slope - fits.margin, 0), 0) AS slowest
    FROM latest
    CROSS JOIN fits
),
told AS (  -- beyond a hundred years nothing is told
    SELECT
        *,
        enough AND room > 0 AND expected < 36500 AS has_expected,
        enough AND room > 0 AND soonest < 36500 AS has_soonest,
        enough AND room > 0 AND slowest < 36500 AS has_slowest
    FROM days
)
SELECT
    $backend AS backend_name,
    told.observed_at,
    told.bytes AS stored_bytes,
    told.unknown_sizes,
    $capacity AS capacity,
    told.steps,
    CASE WHEN told.enough THEN ROUND(told.slope) END AS bytes_per_day,
    CASE WHEN told.enough THEN ROUND(told.slope - told.margin) END AS bytes_per_day_low,
    CASE WHEN told.enough THEN ROUND(told.slope + told.margin) END AS bytes_per_day_high,
    CASE WHEN told.room <= 0 THEN CAST(told.observed_at AS DATE) WHEN told.has_expected THEN CAST(TO_TIMESTAMP_SECONDS(DATE_PART('epoch', told.observed_at) + told.expected * 86400) AS DATE) END AS full_on,
    CASE WHEN told.room <= 0 THEN CAST(told.observed_at AS DATE) WHEN told.has_soonest THEN CAST(TO_TIMESTAMP_SECONDS(DATE_PART('epoch', told.observed_at) + told.soonest * 86400) AS DATE) END AS earliest,
    CASE WHEN told.room <= 0 THEN CAST(told.observed_at AS DATE) WHEN told.has_slowest THEN CAST(TO_TIMESTAMP_SECONDS(DATE_PART('epoch', told.observed_at) + told.slowest * 86400) AS DATE) END AS latest,
    CASE
        WHEN told.observed_at IS NULL THEN 'nothing is observed of it in this time: `pinql daemon run` records observations'
        WHEN told.room <= 0 THEN 'it is full'
        WHEN told.steps < 5 THEN 'too little to tell: ' || told.steps || ' of at least 5 steps (' || $step || ') are observed'
        WHEN NOT told.enough THEN 'too little to tell: the steps follow each other too closely'
        WHEN told.slope + told.margin <= 0 THEN 'it does not grow'
        WHEN NOT told.has_soonest THEN 'not within a hundred years'
        WHEN told.slope - told.margin <= 0 THEN 'it may as well not grow: there is no latest day'
        WHEN NOT told.has_slowest THEN 'perhaps not within a hundred years: there is no latest day'
    END AS note
FROM (SELECT 1 AS one)
LEFT JOIN told ON TRUE
