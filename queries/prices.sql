-- title: The prices that reports of cost use
-- description: Each class of the table of prices, with source, date and confidence, in US dollars. pinql prices prints the
--   table as a file to be edited.
SELECT
    class,
    storage_usd,
    unit_bytes,
    egress_usd,
    put_usd,
    get_usd,
    min_bytes,
    overhead_bytes,
    min_days,
    as_of,
    confidence,
    source,
    note
FROM prices
ORDER BY class
