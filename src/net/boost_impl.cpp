// SPDX-License-Identifier: Apache-2.0
// The compiled part of Asio and Beast, once for the whole room.
#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
