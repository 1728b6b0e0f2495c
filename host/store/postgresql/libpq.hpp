#pragma once
#include <libpq-fe.h>

namespace calbridge::store::postgresql {

/// PostgreSQL's client library, loaded when the first connection is made. Linked to the program it would bring
/// Kerberos, LDAP and GnuTLS into every host's memory, 22 MiB of libraries, and most hosts use SQLite.
struct LibPq {
  decltype(&::PQclear) clear;
  decltype(&::PQcmdStatus) cmdStatus;
  decltype(&::PQcmdTuples) cmdTuples;
  decltype(&::PQconnectdb) connectdb;
  decltype(&::PQerrorMessage) errorMessage;
  decltype(&::PQexec) exec;
  decltype(&::PQexecPrepared) execPrepared;
  decltype(&::PQfinish) finish;
  decltype(&::PQgetResult) getResult;
  decltype(&::PQgetisnull) getisnull;
  decltype(&::PQgetlength) getlength;
  decltype(&::PQgetvalue) getvalue;
  decltype(&::PQntuples) ntuples;
  decltype(&::PQprepare) prepare;
  decltype(&::PQputCopyData) putCopyData;
  decltype(&::PQputCopyEnd) putCopyEnd;
  decltype(&::PQresultErrorField) resultErrorField;
  decltype(&::PQresultStatus) resultStatus;
  decltype(&::PQsetNoticeProcessor) setNoticeProcessor;
  decltype(&::PQstatus) status;
};

/// Loads the library at the first call; it is never unloaded. Any thread. Throws Error("store_unavailable") when it is
/// not installed.
const LibPq& libpq();

} // namespace calbridge::store::postgresql
