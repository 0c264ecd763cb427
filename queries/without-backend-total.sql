-- title: What the loss of some backends would mean
-- description: Of the contents with a copy on these backends, how many would be lost, fall below the copies that they
--   should have, or be safe, if the backends vanished together; with their bytes, and what to write for making the copies
--   anew. Bytes are those of contents whose size is known; the others are counted apart.
-- chart: bar outcome contents
-- param: backends backend[]  the backends that would vanish
-- param: min_copies integer 2 {1..}  copies every content should have
WITH contents AS (
    SELECT
        content,
        COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies,
        COUNT(DISTINCT backend_name)
            FILTER (WHERE status = 'stored' AND NOT ARRAY_HAS($backends, backend_name)) AS copies_left,
        MAX(size_bytes) AS size_bytes
    FROM pins
    WHERE content <> X''
    GROUP BY content
),
outcomes AS (
    SELECT
        CASE
            WHEN copies_left = 0 THEN 'lost'
            WHEN copies_left < $min_copies THEN 'below'
            ELSE 'safe'
        END AS outcome,
        CASE WHEN copies_left < $min_copies THEN $min_copies - copies_left ELSE 0 END AS copies_to_make,
        size_bytes
    FROM contents
    WHERE copies_left < copies
)
SELECT
    outcome,
    COUNT(*) AS contents,
    COALESCE(SUM(size_bytes), 0) AS bytes,
    COUNT(*) FILTER (WHERE size_bytes IS NULL) AS unknown_sizes,
    SUM(copies_to_make) AS copies_to_make,
    COALESCE(SUM(CAST(size_bytes AS DECIMAL(38, 0)) * copies_to_make), 0) AS bytes_to_write
FROM outcomes
GROUP BY outcome
ORDER BY CASE outcome WHEN 'lost' THEN 1 WHEN 'below' THEN 2 ELSE 3 END
