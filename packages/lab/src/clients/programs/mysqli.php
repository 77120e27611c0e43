<?php
// Kill test with PHP's mysqli. What every program does is told in the README beside it.
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$run = (int) getenv('RUN');
$pace = (int) getenv('PACE_MS') * 1000;

function connect_to(): mysqli {
    $db = mysqli_init();
    $db->options(MYSQLI_OPT_SSL_VERIFY_SERVER_CERT, true);
    $db->ssl_set(null, null, getenv('DB_CA'), null, null);
    $db->real_connect(getenv('DB_HOST'), getenv('DB_USER'), getenv('DB_PASSWORD'), getenv('DB_NAME'), (int) getenv('DB_PORT'), null, MYSQLI_CLIENT_SSL);
    return $db;
}

function write(mysqli $db, bool $prepared, string $sql, int ...$values): void {
    if ($prepared) {
        $statement = $db->prepare($sql);
        $statement->execute($values);
        $rows = $statement->affected_rows;
    } else {
        $db->query(vsprintf(str_replace('?', '%d', $sql), $values));
        $rows = $db->affected_rows;
    }
    if ($rows !== 1) throw new RuntimeException("$rows rows instead of one");
}

function work(mysqli $db, int $run, int $n): void {
    $prepared = intdiv($n, 3) % 2 === 1;
    if ($n % 3 === 0) {
        $db->begin_transaction();
        if ($prepared) {
            $select = $db->prepare('SELECT balance FROM kill_account WHERE id = ?');
            $select->execute([2 * $run]);
            $select->get_result()->fetch_all();
        } else {
            $db->query(sprintf('SELECT balance FROM kill_account WHERE id = %d', 2 * $run))->fetch_all();
        }
        write($db, $prepared, 'UPDATE kill_account SET balance = balance + 1 WHERE id = ?', 2 * $run);
        write($db, $prepared, 'INSERT INTO kill_entry (run, n) VALUES (?, ?)', $run, $n);
        $db->commit();
    } elseif ($n % 3 === 1) {
        write($db, $prepared, 'INSERT INTO kill_entry (run, n) VALUES (?, ?)', $run, $n);
    } else {
        write($db, $prepared, 'UPDATE kill_account SET balance = balance + 1 WHERE id = ?', 2 * $run + 1);
    }
}

$db = null;
$n = 0;
while (!file_exists(getenv('STOP_FILE'))) {
    try {
        $db ??= connect_to();
        work($db, $run, $n);
        echo "ok $n\n";
        $n++;
    } catch (mysqli_sql_exception | RuntimeException $error) {
        if ($error->getCode() === 1213) {
            echo "conflict $n\n";
            continue;
        }
        echo "error $n ", $error->getCode(), ' ', $error->getMessage(), "\n";
        $db = null;
        $n++;
        usleep(100_000);
    }
    usleep($pace);
}
echo "done\n";
