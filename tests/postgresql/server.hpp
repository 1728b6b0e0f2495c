#pragma once
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace calbridge::testing {

/// The throw-away PostgreSQL server of tests/postgresql/server (which says what it is), as a process that ends with
/// this object and with this process.
class PostgresqlServer {
 public:
  /// The exit code by which a test program tells ctest that it was skipped.
  static constexpr int kSkipped = 77;

  /// Starts one. Ends this program as skipped when no PostgreSQL is installed.
  PostgresqlServer() {
    int in[2], out[2];
    if (::pipe(in) != 0 || ::pipe(out) != 0)
      throw std::runtime_error("no pipes");
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      for (const int fd : {in[0], in[1], out[0], out[1]})
        ::close(fd);
      ::execl(CALBRIDGE_SOURCE_DIR "/tests/postgresql/server", "server", nullptr);
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    commands_ = ::fdopen(in[1], "w");
    answers_ = ::fdopen(out[0], "r");
    url_ = line();
    if (!url_.empty())
      return;
    int status = 0;
    ::waitpid(child_, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == kSkipped) {
      std::fputs("skipped: no PostgreSQL server is installed (Debian package postgresql)\n", stderr);
      std::exit(kSkipped);
    }
    throw std::runtime_error("the PostgreSQL server of the tests does not start");
  }
  ~PostgresqlServer() {
    std::fclose(commands_);
    std::fclose(answers_);
    int status = 0;
    ::waitpid(child_, &status, 0);
  }
  PostgresqlServer(const PostgresqlServer&) = delete;
  PostgresqlServer& operator=(const PostgresqlServer&) = delete;

  const std::string& url() const { return url_; }
  std::string tell(const char* command) {
    std::fprintf(commands_, "%s\n", command);
    std::fflush(commands_);
    return line();
  }

 private:
  std::string line() {
    char text[1024];
    if (std::fgets(text, sizeof text, answers_) == nullptr)
      return {};
    std::string read = text;
    while (!read.empty() && read.back() == '\n')
      read.pop_back();
    return read;
  }

  pid_t child_ = -1;
  std::FILE* commands_ = nullptr;
  std::FILE* answers_ = nullptr;
  std::string url_;
};

} // namespace calbridge::testing
