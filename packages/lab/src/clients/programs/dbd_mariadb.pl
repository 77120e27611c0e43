# Kill test with Perl's DBD::MariaDB. What every program does is told in the README beside it.
use strict;
use warnings;
use DBI;
use Time::HiRes qw(sleep);

$| = 1;
my ($run, $pace) = ($ENV{RUN}, $ENV{PACE_MS} / 1000);

sub connect_to {
  my $source = "DBI:MariaDB:database=$ENV{DB_NAME};host=$ENV{DB_HOST};port=$ENV{DB_PORT};mariadb_ssl=1;"
    . "mariadb_ssl_ca_file=$ENV{DB_CA};mariadb_ssl_verify_server_cert=1";
  return DBI->connect($source, $ENV{DB_USER}, $ENV{DB_PASSWORD}, {RaiseError => 1, PrintError => 0, AutoCommit => 1});
}

sub write_one {
  my ($db, $prepared, $sql, @values) = @_;
  my $statement = $db->prepare($sql, {mariadb_server_prepare => $prepared});
  my $rows = $statement->execute(@values);
  die "$rows rows instead of one\n" if $rows != 1;
}

sub work {
  my ($db, $n) = @_;
  my $prepared = int($n / 3) % 2;
  if ($n % 3 == 0) {
    $db->begin_work;
    my $select = $db->prepare('SELECT balance FROM kill_account WHERE id = ?', {mariadb_server_prepare => $prepared});
    $select->execute(2 * $run);
    $select->fetchall_arrayref;
    write_one($db, $prepared, 'UPDATE kill_account SET balance = balance + 1 WHERE id = ?', 2 * $run);
    write_one($db, $prepared, 'INSERT INTO kill_entry (run, n) VALUES (?, ?)', $run, $n);
    $db->commit;
  } elsif ($n % 3 == 1) {
    write_one($db, $prepared, 'INSERT INTO kill_entry (run, n) VALUES (?, ?)', $run, $n);
  } else {
    write_one($db, $prepared, 'UPDATE kill_account SET balance = balance + 1 WHERE id = ?', 2 * $run + 1);
  }
}

my ($db, $n) = (undef, 0);
while (!-e $ENV{STOP_FILE}) {
  if (eval { $db //= connect_to(); work($db, $n); 1 }) {
    print "ok $n\n";
    $n++;
  } else {
    my ($code, $message) = ($DBI::err // 0, $@ =~ s/\n/ /gr);
    if ($code == 1213) {
      print "conflict $n\n";
      eval { $db->rollback unless $db->{AutoCommit}; 1 } or $db = undef;
      next;
    }
    print "error $n $code $message\n";
    eval { $db->disconnect } if defined $db;
    $db = undef;
    $n++;
    sleep 0.1;
  }
  sleep $pace;
}
$db->disconnect if defined $db;
print "done\n";
