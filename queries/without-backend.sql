-- title: Contents that would suffer without some backends
-- description: Contents that would be lost, or fall below the copies that they should have, if these backends vanished
--   together, and the bytes to write for making the copies anew. What is lost has to come from elsewhere, or from these
--   backends before they close.
-- param: backends backend[]  the backends that would vanish
-- param: min_copies integer 2 {1..}  copies every content should have
WITH contents AS (
    SELECT
        content,
        MIN(cid) AS cid,
        COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies,
        COUNT(DISTINCT backend_name)
            FILTER (WHERE status = 'stored' AND NOT ARRAY_HAS($backends, backend_name)) AS copies_left,
        MAX(size_bytes) AS size_bytes
    FROM pins
    WHERE content <> X''
    GROUP BY content
)
SELECT
    cid,
    CASE WHEN copies_left = 0 THEN 'lost' ELSE 'below' END AS outcome,
    copies,
    copies_left,
    $min_copies - copies_left AS copies_to_make,
    size_bytes,
    CAST(size_bytes AS DECIMAL(38, 0)) * ($min_copies - copies_left) AS bytes_to_write
FROM contents
WHERE copies_left < copies
    AND copies_left < $min_copies
ORDER BY copies_left, cid, content
