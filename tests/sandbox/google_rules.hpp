#pragma once
#include "services.hpp"

namespace calbridge::sandbox {

/// Is this a client-chosen event id? Characters a–v and 0–9, 5 to 1024 of them.
bool isGoogleEventId(const std::string& id);

/// Checks an event body after merging, and brings it into the form in which Google tells it: dateTimes with an offset,
/// long extended properties cut. Fills in startUtc and endUtc. Returns the 400 that Google answers, or nullopt.
std::optional<Response> checkGoogleEvent(json& event, const Calendar& calendar, const Settings& settings,
                                         StoredEvent& stored);

/// Removes members that are null, at any depth: for Google they mean "not there".
void dropNulls(json& document);

/// RFC 7396 without the removal of nulls inside arrays: PATCH merges objects and overwrites arrays.
void mergePatch(json& target, const json& patch);

} // namespace calbridge::sandbox
