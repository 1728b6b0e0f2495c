<?php
/* What a web server's configuration does for DAViCal otherwise: /.well-known/… and everything else under /caldav.php go
 * to that program, with the rest as PATH_INFO. Run by PHP's own server, which calls this for every request. */
$path = rawurldecode(explode('?', $_SERVER['REQUEST_URI'], 2)[0]);
if (str_starts_with($path, '/.well-known/')) {
  $_SERVER['PATH_INFO'] = $path;
} elseif (str_starts_with($path, '/caldav.php')) {
  $_SERVER['PATH_INFO'] = substr($path, strlen('/caldav.php'));
} else {
  http_response_code(404);
  return;
}
$_SERVER['SCRIPT_NAME'] = $_SERVER['PHP_SELF'] = '/caldav.php';
$_SERVER['SCRIPT_FILENAME'] = $_SERVER['DOCUMENT_ROOT'] . '/caldav.php';
/* It reads its settings from /etc/davical/{SERVER_NAME}-conf.php alone; those of the test are elsewhere, and name the
 * server as it is. */
$_SERVER['SERVER_NAME'] = '../..' . getenv('DAVICAL_SETTINGS');
chdir($_SERVER['DOCUMENT_ROOT']);
require $_SERVER['SCRIPT_FILENAME'];
