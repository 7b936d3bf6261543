{{/* Not empty when the entry is to be created: an entry that doesn't say is. */}}
{{- define "voice-models.enabled" -}}
{{- ternary .enabled true (hasKey . "enabled") | ternary "true" "" -}}
{{- end -}}

{{/* Lays .over upon .base and returns YAML. Helm's own mergeOverwrite takes false, 0 and "" for absent, so that an
     entry could never turn off what the defaults turn on. */}}
{{- define "voice-models.overlay" -}}
{{- $result := deepCopy .base -}}
{{- range $key, $value := .over -}}
{{- if and (kindIs "map" $value) (kindIs "map" (get $result $key)) -}}
{{- $value = include "voice-models.overlay" (dict "base" (get $result $key) "over" $value) | fromYaml -}}
{{- end -}}
{{- $_ := set $result $key $value -}}
{{- end -}}
{{- toYaml $result -}}
{{- end -}}
