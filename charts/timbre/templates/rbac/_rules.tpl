{{/*
What the operator may do, in the cluster or in each namespace it serves. timbre_operator.permissions says the same in
Python, next to the calls that need it, and a test compares the two.

Nothing here reads Secrets or belongs to no namespace, so that a Role is enough for an operator of some namespaces.
*/}}
{{- define "timbre.rules" -}}
- apiGroups: [timbre.dev]
  resources: [voicemodels]
  verbs: [get, list, watch]
- apiGroups: [timbre.dev]
  resources: [voicemodels/status]
  verbs: [patch]
# Server-side apply of what does not exist yet needs both create and patch.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [services, serviceaccounts]
  verbs: [get, list, watch, create, patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch]
# The only child that goes before its VoiceModel does: autoscaling can be switched off.
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
# Why a pod does not run.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end -}}
