// Chooses the language of an exchange.

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bindings/filter_cpp.h"
#include "placeholder.hpp"

using namespace sluice::filter;
using namespace std::string_literals;
using exports::sluice::filter::on_request::Reply;
using exports::sluice::filter::on_request::Verdict;

namespace {

using Languages = std::vector<std::string>;

std::optional<Replacer> body;

Languages configured() {
  Languages languages;
  while (auto language = config::Get("languages." + std::to_string(languages.size()))) {
    languages.push_back(language->to_string());
  }
  if (languages.empty()) {
    log::Log(log::Level::kError, "config: want languages, a list of tags");
    std::abort();
  }
  return languages;
}

char lower(char character) { return 'A' <= character && character <= 'Z' ? character - 'A' + 'a' : character; }

bool same(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](char one, char other) { return lower(one) == lower(other); });
}

const std::string *find(const Languages &languages, std::string_view name) {
  auto found = std::find_if(languages.begin(), languages.end(), [=](auto &language) { return same(language, name); });
  return found == languages.end() ? nullptr : &*found;
}

std::string_view before(std::string_view text, std::string_view ends) { return text.substr(0, text.find_first_of(ends)); }

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t";
  text.remove_prefix(std::min(text.find_first_not_of(space), text.size()));
  return text.substr(0, text.find_last_not_of(space) + 1);
}

// The first range whose primary subtag is a language of ours: `de` of ` de-AT;q=0.7`.
const std::string *find_accepted(const Languages &languages, std::string_view ranges) {
  for (;;) {
    auto range = before(ranges, ",");
    auto found = find(languages, trimmed(before(range, ";-")));
    if (found != nullptr || range.size() == ranges.size()) return found;
    ranges.remove_prefix(range.size() + 1);
  }
}

const std::string &preferred(const Languages &languages) {
  if (auto cookie = request::Cookie("lang")) {
    if (auto found = find(languages, cookie->get_view())) return *found;
  }
  if (auto ranges = request::Header("accept-language")) {
    if (auto found = find_accepted(languages, ranges->get_view())) return *found;
  }
  return languages.front();
}

wit::vector<uint8_t> bytes(std::string_view text) {
  auto result = wit::vector<uint8_t>::allocate(text.size());
  std::copy(text.begin(), text.end(), result.data());
  return result;
}

Reply unknown(std::string_view asked, const Languages &languages) {
  auto text = "There is no " + std::string(asked) + " here, only " + languages.front();
  std::for_each(languages.begin() + 1, languages.end(), [&](const auto &language) { text += ", " + language; });
  auto headers = wit::vector<std::tuple<wit::string, wit::string>>::allocate(1);
  headers.initialize(0, {wit::string::from_view("content-type"), wit::string::from_view("text/plain; charset=utf-8")});
  return {404, std::move(headers), bytes(text + ".\n")};
}

std::string noted_language() { return request::Note("language").value().to_string(); }

bool is_html() {
  auto type = response::Header("content-type");
  return type && same(trimmed(before(type->get_view(), ";")), "text/html") && !response::Header("content-encoding");
}

} // namespace

namespace exports::sluice::filter {

Verdict on_request::OnRequest() {
  auto languages = configured();
  auto asked = request::QueryParam("lang");
  auto language = asked ? find(languages, asked->get_view()) : &preferred(languages);
  if (language == nullptr) return {Verdict::Reply{unknown(asked->get_view(), languages)}};
  request::SetHeader("x-language", *language);
  request::RemoveHeader("accept-language");
  request::SetNote("language", *language);
  return {Verdict::Next{}};
}

void on_response::OnResponse() {
  auto language = noted_language();
  response::SetHeader("content-language", language);
  response::AppendHeader("vary", "accept-language, cookie");
  if (request::QueryParam("lang")) {
    response::AppendHeader("set-cookie", "lang=" + language + "; Path=/; SameSite=Lax");
  }
}

bool on_body::Open() {
  if (!is_html()) return false;
  body.emplace(noted_language());
  return true;
}

wit::vector<uint8_t> on_body::Push(wit::vector<uint8_t> chunk) {
  return bytes(body->push({reinterpret_cast<const char *>(chunk.data()), chunk.size()}));
}

wit::vector<uint8_t> on_body::Finish() { return bytes(body->finish()); }

} // namespace exports::sluice::filter
