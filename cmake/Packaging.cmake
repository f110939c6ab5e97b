# SPDX-License-Identifier: Apache-2.0
# The Debian package (scripts/package): the program, its unit, its settings and its documents.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)  # scripts/package builds what is installed, not all tests
set(packaging ${CMAKE_SOURCE_DIR}/packaging)
set(packaged ${CMAKE_BINARY_DIR}/packaged)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME headgate)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "sync gateway for offline-first clients")
set(CPACK_PACKAGE_DESCRIPTION
"Clients that replicate with CouchDB's protocol, such as PouchDB, share
databases and see only the channels that they may see. Documents, users,
access rules in JavaScript and the store are in one program; several nodes
can share Redis servers.")
set(CPACK_PACKAGE_CONTACT "The Headgate developers <developers@headgate.invalid>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_SOURCE_DIR}/build/package)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, init-system-helpers (>= 1.54~)")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "redis-server (>= 5:7)")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${packaging}/postinst ${packaging}/prerm ${packaging}/postrm ${packaging}/conffiles)

# What Debian wants compressed, without the time of the build.
function(headgate_compress from to)
  add_custom_command(OUTPUT ${packaged}/${to}
    COMMAND gzip -9nc ${from} > ${packaged}/${to} DEPENDS ${from} VERBATIM)
endfunction()
file(MAKE_DIRECTORY ${packaged})
configure_file(${packaging}/changelog.in ${packaged}/changelog.Debian @ONLY)
headgate_compress(${packaged}/changelog.Debian changelog.Debian.gz)
headgate_compress(${CMAKE_SOURCE_DIR}/CHANGELOG.md changelog.gz)
headgate_compress(${CMAKE_SOURCE_DIR}/docs/operations.md operations.md.gz)
headgate_compress(${CMAKE_SOURCE_DIR}/docs/api.md api.md.gz)
headgate_compress(${packaging}/headgate.1 headgate.1.gz)
set(documents ${packaged}/changelog.Debian.gz ${packaged}/changelog.gz
  ${packaged}/operations.md.gz ${packaged}/api.md.gz)
add_custom_target(headgate_packaged DEPENDS headgate ${documents} ${packaged}/headgate.1.gz)

install(TARGETS headgate RUNTIME DESTINATION bin)
install(FILES ${documents} ${packaging}/copyright DESTINATION share/doc/headgate)
install(FILES ${packaged}/headgate.1.gz DESTINATION share/man/man1)
install(FILES ${packaging}/headgate.service DESTINATION /lib/systemd/system)
install(FILES ${packaging}/headgate.toml DESTINATION /etc/headgate)
include(CPack)
