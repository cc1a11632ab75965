#include <algorithm>
#include <string>
#include <string_view>
#include <tuple>

#include "bindings/filter_cpp.h"

using namespace sluice::filter;
using exports::sluice::filter::on_request::Reply;
using exports::sluice::filter::on_request::Verdict;

namespace {

Reply plain(std::string_view text) {
  auto headers = wit::vector<std::tuple<wit::string, wit::string>>::allocate(1);
  headers.initialize(0, {wit::string::from_view("content-type"), wit::string::from_view("text/plain; charset=utf-8")});
  auto body = wit::vector<uint8_t>::allocate(text.size());
  std::copy(text.begin(), text.end(), body.data());
  return {200, std::move(headers), std::move(body)};
}

} // namespace

namespace exports::sluice::filter {

Verdict on_request::OnRequest() {
  auto configured = config::Get("greeting");
  auto greeting = configured ? configured->to_string() : "Hello";
  if (auto name = request::QueryParam("name")) {
    return {Verdict::Reply{plain(greeting + ", " + name->to_string() + "!\n")}};
  }
  request::SetHeader("x-greeting", greeting);
  return {Verdict::Next{}};
}

} // namespace exports::sluice::filter
