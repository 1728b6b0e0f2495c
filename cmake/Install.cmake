# What `cmake --install` makes of a build, beside the SDK (sdk/CMakeLists.txt): a tree that runs wherever it is put, since
# the program finds its plugins and its other programs from where it lies itself.
#   bin/ programs   lib/calbridge/plugins/ bundled plugins   share/calbridge/config/ the configuration to start from
foreach(program calbridge calbridge-plugin-runner calbridge-plugin-check)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION bin COMPONENT host)
  endif()
endforeach()
foreach(plugin ${CALBRIDGE_BUNDLED_PLUGINS})
  install(TARGETS calbridge_plugin_${plugin} LIBRARY DESTINATION lib/calbridge/plugins COMPONENT host)
endforeach()
install(DIRECTORY config DESTINATION share/calbridge COMPONENT host)
install(FILES .env.example DESTINATION share/calbridge COMPONENT host)
install(DIRECTORY docs/ DESTINATION share/doc/calbridge COMPONENT host FILES_MATCHING PATTERN "*.md" PATTERN "*.png")
install(FILES docs/calbridge.service LICENSE DESTINATION share/doc/calbridge COMPONENT host)
